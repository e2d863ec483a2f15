import type { PendingMessage } from '../../../client/src/index.js';

interface PendingItemProps {
  message: PendingMessage;
  resend: () => void;
  discard: () => void;
}

export function PendingItem({ message, resend, discard }: PendingItemProps) {
  return (
    <article className="message" data-role="user" data-status={message.status}>
      <header>
        <span className="author">You</span>
        <span>{message.status === 'failed' ? 'not sent' : 'sending…'}</span>
      </header>
      <p className="text">{message.content}</p>
      {message.status === 'failed' && (
        <p className="message-note failed" role="alert">
          {message.error?.message ?? 'The message was not sent'}.{' '}
          <button type="button" className="text-button" onClick={resend}>
            Send again
          </button>{' '}
          <button type="button" className="text-button" onClick={discard}>
            Discard
          </button>
        </p>
      )}
    </article>
  );
}
