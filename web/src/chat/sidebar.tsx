import { useEffect, useRef } from 'react';
import type { User } from '../../../client/src/index.js';
import { Brand } from '../page/brand.js';
import { Icon } from '../page/icon.js';
import { ConversationList } from './conversation-list.js';
import type { Conversations } from './use-conversations.js';

interface SidebarProps {
  user: User;
  conversations: Conversations;
  selected: string | undefined;
  /** Only used in a narrow window, where the list covers the conversation. */
  isOpen: boolean;
  select: (id: string) => void;
  start: () => void;
  remove: (id: string) => void;
  close: () => void;
  signOut: () => void;
}

export function Sidebar(props: SidebarProps) {
  const { user, conversations, isOpen, close } = props;
  const closeButton = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (isOpen) closeButton.current?.focus();
  }, [isOpen]);

  return (
    <>
      <div className="scrim" data-open={isOpen} onClick={close} />
      <aside
        id="sidebar"
        className="sidebar"
        data-open={isOpen}
        aria-label="Conversations and account"
        onKeyDown={(event) => {
          if (event.key === 'Escape') close();
        }}
      >
        <div className="sidebar-head">
          <Brand />
          <button
            ref={closeButton}
            type="button"
            className="icon-button sidebar-close"
            aria-label="Close the list"
            onClick={close}
          >
            <Icon name="close" />
          </button>
        </div>
        <button
          type="button"
          className="button wide new-conversation"
          onClick={props.start}
          disabled={conversations.isCreating}
        >
          <Icon name="plus" />
          New conversation
        </button>
        <ConversationList
          conversations={conversations}
          selected={props.selected}
          select={props.select}
          remove={props.remove}
        />
        <div className="account">
          <div className="account-name">
            <strong>{user.display_name}</strong>
            <span title={user.email}>{user.email}</span>
          </div>
          <button type="button" className="button small" onClick={props.signOut}>
            <Icon name="leave" />
            Sign out
          </button>
        </div>
      </aside>
    </>
  );
}
