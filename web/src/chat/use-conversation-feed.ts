import { useCallback, useEffect, useMemo, useSyncExternalStore } from 'react';
import {
  ConversationFeed,
  type ChatApi,
  type ChatClient,
  type FeedState,
} from '../../../client/src/index.js';

/** One conversation, open as long as it is shown. */
export function useConversationFeed(
  client: ChatClient,
  api: ChatApi,
  id: string,
): { feed: ConversationFeed; state: FeedState } {
  const feed = useMemo(() => new ConversationFeed(client, api, id), [client, api, id]);

  useEffect(() => {
    feed.open();
    return () => feed.close();
  }, [feed]);

  const onChange = useCallback((changed: () => void) => feed.on('change', changed), [feed]);
  return { feed, state: useSyncExternalStore(onChange, () => feed.state) };
}
