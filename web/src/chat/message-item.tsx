import { memo } from 'react';
import type { TranscriptMessage } from '../../../client/src/index.js';
import { ToolLine } from './tool-line.js';

/** Compared by identity: while one message grows, the others are left alone. */
export const MessageItem = memo(function MessageItem({ message }: { message: TranscriptMessage }) {
  const isStreaming = message.status === 'streaming';
  return (
    // Busy while it grows: a screen reader reads the answer once it is complete.
    <article
      className="message"
      data-role={message.role}
      data-status={message.status}
      aria-busy={isStreaming}
    >
      <header>
        <span className="author">{message.role === 'user' ? 'You' : 'Answer'}</span>
        <time dateTime={message.created_at}>{clock(message.created_at)}</time>
      </header>
      {message.tools.map((tool) => (
        <ToolLine key={tool.id} tool={tool} />
      ))}
      {(message.content !== '' || isStreaming) && (
        <p className="text">
          {message.content === '' ? (
            <span className="waiting-text">Waiting for the answer</span>
          ) : (
            message.content
          )}
        </p>
      )}
      {message.takeovers.map(({ from, to, attempt }) => (
        <p className="message-note" key={attempt}>
          Node {from} went away; {to} continued this answer.
        </p>
      ))}
      {message.status === 'cancelled' && <p className="message-note">Stopped.</p>}
      {message.status === 'failed' && (
        <p className="message-note failed">
          The answer failed{message.problem ? `: ${message.problem.detail || message.problem.title}` : '.'}
        </p>
      )}
    </article>
  );
});

function clock(time: string): string {
  return new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
