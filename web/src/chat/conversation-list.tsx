import { Failure } from '../page/failure.js';
import { Loading } from '../page/loading.js';
import { ConversationItem } from './conversation-item.js';
import type { Conversations } from './use-conversations.js';

interface ConversationListProps {
  conversations: Conversations;
  selected: string | undefined;
  select: (id: string) => void;
  remove: (id: string) => void;
}

export function ConversationList({ conversations, selected, select, remove }: ConversationListProps) {
  const { phase, list, error } = conversations;
  if (phase === 'loading') return <Loading text="Loading" />;
  if (phase === 'failed') {
    return (
      <Failure title="The list could not be loaded" error={error} retry={() => void conversations.load()} />
    );
  }
  return (
    <nav className="conversation-list" aria-label="Conversations">
      {error !== undefined && (
        <p className="form-error" role="alert">
          {error.message}.
        </p>
      )}
      {list.length === 0 && <p className="hint">Your conversations will be listed here.</p>}
      <ul>
        {list.map((conversation) => (
          <ConversationItem
            key={conversation.id}
            conversation={conversation}
            isSelected={conversation.id === selected}
            select={() => select(conversation.id)}
            rename={(title) => void conversations.rename(conversation.id, title)}
            remove={() => remove(conversation.id)}
          />
        ))}
      </ul>
      {conversations.hasMore && (
        <button type="button" className="text-button" onClick={() => void conversations.loadMore()}>
          Show more
        </button>
      )}
    </nav>
  );
}
