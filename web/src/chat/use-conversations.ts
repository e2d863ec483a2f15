import { useCallback, useEffect, useState } from 'react';
import { toApiError, type ApiError, type ChatApi, type Conversation } from '../../../client/src/index.js';

export interface Conversations {
  phase: 'loading' | 'ready' | 'failed';
  list: readonly Conversation[];
  /** Why loading, or the last change, failed. */
  error: ApiError | undefined;
  hasMore: boolean;
  isCreating: boolean;
  load: () => Promise<void>;
  loadMore: () => Promise<void>;
  create: () => Promise<Conversation | undefined>;
  rename: (id: string, title: string) => Promise<void>;
  /** Names a conversation that has no title yet. */
  nameFirst: (id: string, title: string) => Promise<void>;
  remove: (id: string) => Promise<void>;
}

export const UNNAMED = 'New conversation';

/** The list of the user's conversations, newest first, and the actions on it. */
export function useConversations(api: ChatApi): Conversations {
  const [phase, setPhase] = useState<Conversations['phase']>('loading');
  const [list, setList] = useState<readonly Conversation[]>([]);
  const [cursor, setCursor] = useState<string>();
  const [error, setError] = useState<ApiError>();
  const [isCreating, setCreating] = useState(false);

  const load = useCallback(async () => {
    setPhase('loading');
    setError(undefined);
    try {
      const page = await api.conversations();
      setList(page.conversations);
      setCursor(page.next_cursor ?? undefined);
      setPhase('ready');
    } catch (thrown) {
      setError(toApiError(thrown));
      setPhase('failed');
    }
  }, [api]);

  useEffect(() => {
    void load();
  }, [load]);

  async function change<T>(work: () => Promise<T>): Promise<T | undefined> {
    setError(undefined);
    try {
      return await work();
    } catch (thrown) {
      setError(toApiError(thrown));
      return undefined;
    }
  }

  async function rename(id: string, title: string): Promise<void> {
    const renamed = await change(() => api.renameConversation(id, title));
    if (renamed !== undefined) setList((all) => all.map((one) => (one.id === id ? renamed : one)));
  }

  return {
    phase,
    list,
    error,
    hasMore: cursor !== undefined,
    isCreating,
    load,
    loadMore: async () => {
      const page = await change(() => api.conversations(cursor));
      if (page === undefined) return;
      setList((all) => [
        ...all,
        ...page.conversations.filter((one) => !all.some((old) => old.id === one.id)),
      ]);
      setCursor(page.next_cursor ?? undefined);
    },
    create: async () => {
      setCreating(true);
      const created = await change(() => api.createConversation(UNNAMED));
      if (created !== undefined) setList((all) => [created, ...all]);
      setCreating(false);
      return created;
    },
    rename,
    nameFirst: async (id, title) => {
      if (list.find((one) => one.id === id)?.title === UNNAMED) await rename(id, title);
    },
    remove: async (id) => {
      await change(async () => {
        await api.deleteConversation(id);
        setList((all) => all.filter((one) => one.id !== id));
      });
    },
  };
}
