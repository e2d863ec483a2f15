import type { DurableEvent } from '../../protocol/messages.js';
import type { Conversation, Me, MessagePage, SignIn, User } from '../../protocol/resources.js';
import { toApiError, type ApiError } from './errors.js';
import { HttpClient, type Call, type HttpOptions } from './http.js';

export interface ChatApiOptions extends HttpOptions {
  /** Called when a call failed because the sign-in has ended. */
  onAuthError?: (error: ApiError) => void;
}

export interface ConversationPage {
  conversations: Conversation[];
  next_cursor?: string | null;
}

export interface MessageQuery {
  before_seq?: number;
  after_seq?: number;
  /** 1 to 200; default 50. */
  limit?: number;
}

/** The HTTP API of the server, one method per route. Every failure is an `ApiError`. */
export class ChatApi {
  private readonly http: HttpClient;

  constructor(private readonly options: ChatApiOptions) {
    this.http = new HttpClient(options);
  }

  async register(body: { email: string; password: string; display_name?: string }): Promise<User> {
    const answer = await this.open<{ user: User }>('/auth/register', body);
    return answer.user;
  }

  login(email: string, password: string): Promise<SignIn> {
    return this.open('/auth/login', { email, password });
  }

  refresh(refreshToken: string): Promise<SignIn> {
    return this.open('/auth/refresh', { refresh_token: refreshToken });
  }

  /** Takes the token as an argument: at sign-out the application has already dropped it. */
  async logout(accessToken: string): Promise<void> {
    await this.http.call({ method: 'POST', path: '/auth/logout', auth: { token: accessToken } });
  }

  me(): Promise<Me> {
    return this.call({ method: 'GET', path: '/auth/me' });
  }

  conversations(cursor?: string): Promise<ConversationPage> {
    return this.call({ method: 'GET', path: '/conversations', query: { cursor, limit: 50 } });
  }

  conversation(id: string): Promise<Conversation> {
    return this.call({ method: 'GET', path: conversationPath(id) });
  }

  createConversation(title?: string): Promise<Conversation> {
    return this.call({ method: 'POST', path: '/conversations', body: title === undefined ? {} : { title } });
  }

  renameConversation(id: string, title: string): Promise<Conversation> {
    return this.call({ method: 'PATCH', path: conversationPath(id), body: { title } });
  }

  async deleteConversation(id: string): Promise<void> {
    await this.call({ method: 'DELETE', path: conversationPath(id) });
  }

  messages(id: string, query: MessageQuery = {}): Promise<MessagePage> {
    return this.call({ method: 'GET', path: `${conversationPath(id)}/messages`, query: { ...query } });
  }

  events(id: string, afterSeq: number, limit: number): Promise<{ events: DurableEvent[]; last_seq: number }> {
    return this.call({
      method: 'GET',
      path: `${conversationPath(id)}/events`,
      query: { after_seq: afterSeq, limit },
    });
  }

  private async open<T>(path: string, body: object): Promise<T> {
    return (await this.http.call({ method: 'POST', path, body, auth: 'public' })) as T;
  }

  private async call<T>(call: Call): Promise<T> {
    try {
      return (await this.http.call(call)) as T;
    } catch (thrown) {
      const error = toApiError(thrown);
      if (error.kind === 'auth') this.options.onAuthError?.(error);
      throw error;
    }
  }
}

function conversationPath(id: string): string {
  return `/conversations/${encodeURIComponent(id)}`;
}
