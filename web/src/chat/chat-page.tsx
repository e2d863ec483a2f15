import { useEffect, useState } from 'react';
import type { ChatApi, User } from '../../../client/src/index.js';
import type { AuthSession } from '../auth/auth-session.js';
import { ConnectionBanner } from '../connection/connection-banner.js';
import { useChatClient } from '../connection/use-chat-client.js';
import { ChatPlaceholder } from './chat-placeholder.js';
import { ConversationPane } from './conversation-pane.js';
import { PaneHeader } from './pane-header.js';
import { Sidebar } from './sidebar.js';
import { useConversations } from './use-conversations.js';
import { useSelection } from './use-selection.js';
import '../styles/chat.css';
import '../styles/sidebar.css';
import '../styles/messages.css';

interface ChatPageProps {
  session: AuthSession;
  api: ChatApi;
  user: User;
}

export function ChatPage({ session, api, user }: ChatPageProps) {
  const connection = useChatClient(session);
  const conversations = useConversations(api);
  const [selected, select] = useSelection();
  const [isSidebarOpen, setSidebarOpen] = useState(false);
  const title = conversations.list.find((conversation) => conversation.id === selected)?.title;

  useEffect(() => {
    document.title = title === undefined ? 'Admit One' : `${title} · Admit One`;
    return () => {
      document.title = 'Admit One';
    };
  }, [title]);

  async function start(): Promise<void> {
    const created = await conversations.create();
    if (created !== undefined) select(created.id);
    setSidebarOpen(false);
  }

  async function remove(id: string): Promise<void> {
    await conversations.remove(id);
    if (id === selected) select(undefined);
  }

  return (
    <div className="chat">
      <Sidebar
        user={user}
        conversations={conversations}
        selected={selected}
        isOpen={isSidebarOpen}
        select={(id) => {
          select(id);
          setSidebarOpen(false);
        }}
        start={() => void start()}
        remove={(id) => void remove(id)}
        close={() => setSidebarOpen(false)}
        signOut={() => void session.signOut()}
      />
      <main className="pane">
        <PaneHeader
          title={title ?? 'Chat'}
          state={connection.state}
          isSidebarOpen={isSidebarOpen}
          openSidebar={() => setSidebarOpen(true)}
        />
        <ConnectionBanner state={connection.state} connect={() => connection.client.connect()} />
        {selected === undefined ? (
          <ChatPlaceholder conversations={conversations} start={() => void start()} />
        ) : (
          <ConversationPane
            key={selected}
            id={selected}
            client={connection.client}
            api={api}
            notice={connection.notice}
            dismissNotice={connection.dismissNotice}
            named={(suggestion) => void conversations.nameFirst(selected, suggestion)}
          />
        )}
        <p className="responder">
          Answers come from: {connection.responder ?? 'not known before the first connection'}
        </p>
      </main>
    </div>
  );
}
