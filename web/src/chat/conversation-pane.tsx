import { useState } from 'react';
import { toApiError, type ChatApi, type ChatClient } from '../../../client/src/index.js';
import { Failure } from '../page/failure.js';
import { Loading } from '../page/loading.js';
import { Composer } from './composer.js';
import { MessageList } from './message-list.js';
import { Notice } from './notice.js';
import { useConversationFeed } from './use-conversation-feed.js';

interface ConversationPaneProps {
  id: string;
  client: ChatClient;
  api: ChatApi;
  notice: string | undefined;
  dismissNotice: () => void;
  /** Called with the first message, which makes a good title. */
  named: (suggestion: string) => void;
}

const SUGGESTION_LENGTH = 60;

export function ConversationPane(props: ConversationPaneProps) {
  const { feed, state } = useConversationFeed(props.client, props.api, props.id);
  const [failure, setFailure] = useState<string>();

  async function attempt(work: Promise<void>): Promise<void> {
    setFailure(undefined);
    try {
      await work;
    } catch (thrown) {
      const error = toApiError(thrown);
      setFailure(
        error.code === 'run_not_found'
          ? 'There was nothing to stop: this answer had ended.'
          : `${error.message}.`,
      );
    }
  }

  if (state.phase === 'loading') return <Loading text="Loading the conversation" />;
  if (state.phase === 'failed') {
    return (
      <Failure
        title={
          state.error?.code === 'conversation_not_found'
            ? 'This conversation does not exist'
            : 'The conversation could not be loaded'
        }
        error={state.error}
        retry={() => void feed.load()}
      />
    );
  }
  const notice = failure ?? props.notice;
  return (
    <>
      <MessageList
        state={state}
        loadEarlier={() => void attempt(feed.loadEarlier())}
        resend={(id) => feed.resend(id)}
        discard={(id) => feed.discard(id)}
      />
      {notice !== undefined && (
        <Notice
          text={notice}
          dismiss={() => {
            setFailure(undefined);
            props.dismissNotice();
          }}
        />
      )}
      <Composer
        isAnswering={state.runId !== undefined}
        stop={() => void attempt(feed.stop())}
        send={(content) => {
          setFailure(undefined);
          feed.send(content);
          if (state.messages.length === 0) props.named(titleFrom(content));
        }}
      />
    </>
  );
}

function titleFrom(content: string): string {
  const line = content.trim().split('\n', 1)[0] ?? '';
  const characters = [...line];
  if (characters.length <= SUGGESTION_LENGTH) return line;
  return `${characters
    .slice(0, SUGGESTION_LENGTH - 1)
    .join('')
    .trimEnd()}…`;
}
