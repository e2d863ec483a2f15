import { useEffect, useRef } from 'react';
import type { ConnectionState } from '../../../client/src/index.js';
import { ConnectionStatus } from '../connection/connection-status.js';
import { Icon } from '../page/icon.js';

interface PaneHeaderProps {
  title: string;
  state: ConnectionState;
  isSidebarOpen: boolean;
  openSidebar: () => void;
}

export function PaneHeader({ title, state, isSidebarOpen, openSidebar }: PaneHeaderProps) {
  const button = useRef<HTMLButtonElement>(null);
  const wasOpen = useRef(false);

  useEffect(() => {
    // When the list closes, the focus returns to its button.
    if (wasOpen.current && !isSidebarOpen) button.current?.focus();
    wasOpen.current = isSidebarOpen;
  }, [isSidebarOpen]);

  return (
    <header className="pane-header">
      <button
        ref={button}
        type="button"
        className="icon-button menu-button"
        aria-label="Conversations"
        aria-expanded={isSidebarOpen}
        aria-controls="sidebar"
        onClick={openSidebar}
      >
        <Icon name="menu" />
      </button>
      <h1 title={title}>{title}</h1>
      <ConnectionStatus state={state} />
    </header>
  );
}
