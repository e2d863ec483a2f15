import { useState } from 'react';
import type { Conversation } from '../../../client/src/index.js';
import { Icon } from '../page/icon.js';
import { DeleteQuestion } from './delete-question.js';
import { RenameForm } from './rename-form.js';

interface ConversationItemProps {
  conversation: Conversation;
  isSelected: boolean;
  select: () => void;
  rename: (title: string) => void;
  remove: () => void;
}

export function ConversationItem({
  conversation,
  isSelected,
  select,
  rename,
  remove,
}: ConversationItemProps) {
  const [mode, setMode] = useState<'shown' | 'renaming' | 'deleting'>('shown');
  const { title } = conversation;
  const back = () => setMode('shown');

  if (mode === 'renaming') {
    return (
      <li>
        <RenameForm
          title={title}
          rename={(next) => {
            rename(next);
            back();
          }}
          cancel={back}
        />
      </li>
    );
  }
  if (mode === 'deleting') {
    return (
      <li>
        <DeleteQuestion title={title} remove={remove} cancel={back} />
      </li>
    );
  }
  return (
    <li className="conversation-item" data-selected={isSelected}>
      <button
        type="button"
        className="conversation-link"
        aria-current={isSelected ? 'page' : undefined}
        onClick={select}
        title={title}
      >
        {title}
      </button>
      <span className="conversation-actions">
        <button
          type="button"
          className="icon-button"
          aria-label={`Rename ${title}`}
          onClick={() => setMode('renaming')}
        >
          <Icon name="pencil" />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={`Delete ${title}`}
          onClick={() => setMode('deleting')}
        >
          <Icon name="bin" />
        </button>
      </span>
    </li>
  );
}
