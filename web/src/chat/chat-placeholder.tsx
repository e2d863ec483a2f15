import { Loading } from '../page/loading.js';
import type { Conversations } from './use-conversations.js';

/** Shown when no conversation is open. */
export function ChatPlaceholder({
  conversations,
  start,
}: {
  conversations: Conversations;
  start: () => void;
}) {
  if (conversations.phase === 'loading') return <Loading text="Loading your conversations" />;
  return (
    <div className="placeholder">
      <h2>{conversations.list.length === 0 ? 'No conversations yet' : 'Choose a conversation'}</h2>
      <p>
        {conversations.list.length === 0
          ? 'Start one and ask something. Answers go on when you close this page, and wait for you here.'
          : 'Pick one from the list, or start another.'}
      </p>
      <button type="button" className="button primary" onClick={start} disabled={conversations.isCreating}>
        New conversation
      </button>
    </div>
  );
}
