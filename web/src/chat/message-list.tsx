import type { FeedState } from '../../../client/src/index.js';
import { Icon } from '../page/icon.js';
import { MessageItem } from './message-item.js';
import { PendingItem } from './pending-item.js';
import { useStickToBottom } from './use-stick-to-bottom.js';

interface MessageListProps {
  state: FeedState;
  loadEarlier: () => void;
  resend: (clientMessageId: string) => void;
  discard: (clientMessageId: string) => void;
}

export function MessageList({ state, loadEarlier, resend, discard }: MessageListProps) {
  const { messages, pending, hasEarlier } = state;
  const { ref, isAway, onScroll, toBottom } = useStickToBottom(state);

  return (
    <div className="messages-frame">
      {/* Focusable, so that the keyboard can scroll it. */}
      <div className="messages" ref={ref} onScroll={onScroll} tabIndex={0} role="log" aria-label="Messages">
        {hasEarlier && (
          <button type="button" className="text-button earlier" onClick={loadEarlier}>
            Show earlier messages
          </button>
        )}
        {messages.length + pending.length === 0 && (
          <div className="placeholder">
            <h2>Ask something</h2>
            <p>For example how tickets work, what time it is, or to count to 50.</p>
          </div>
        )}
        {messages.map((message) => (
          <MessageItem key={message.id} message={message} />
        ))}
        {pending.map((message) => (
          <PendingItem
            key={message.clientMessageId}
            message={message}
            resend={() => resend(message.clientMessageId)}
            discard={() => discard(message.clientMessageId)}
          />
        ))}
      </div>
      {isAway && (
        <button type="button" className="button small to-bottom" onClick={toBottom}>
          <Icon name="down" />
          Newest
        </button>
      )}
    </div>
  );
}
