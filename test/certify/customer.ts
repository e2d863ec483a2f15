import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { ChatApi, ChatClient, ConversationFeed, type TranscriptMessage } from '../../client/src/index.js';
import type { SocketLike } from '../../client/src/link.js';
import type { ServerFrame } from '../../protocol/messages.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import type { TestUser } from '../support/user.js';
import type { Fleet } from './fleet.js';

/** A message that was sent, and what was acknowledged. Times are milliseconds of one clock. */
export interface Sent {
  clientMessageId: string;
  content: string;
  sentAtMs: number;
  acknowledged?: AcceptedMessage & { atMs: number };
  /** Why it was given up: the client was told. */
  refused?: string;
}

/** What a customer saw that nobody may see. */
export interface Sightings {
  strangersFrames: number;
  /** Sockets that ended without a close frame after they had opened, by the name of the node behind them. */
  abnormalEnds: { node: string; atMs: number }[];
  reloads: number;
  authErrors: string[];
}

/** One user with the real client package and one conversation, dialling whichever node is up. */
export class Customer {
  readonly sent: Sent[] = [];
  readonly sightings: Sightings = { strangersFrames: 0, abnormalEnds: [], reloads: 0, authErrors: [] };
  private readonly client: ChatClient;
  private readonly feed: ConversationFeed;

  constructor(
    readonly user: TestUser,
    readonly conversationId: string,
    private readonly fleet: Fleet,
    private turn: number,
  ) {
    const http = {
      baseUrl: 'http://fleet.invalid',
      getAccessToken: () => Promise.resolve(user.accessToken),
      fetch: (url: string, init: RequestInit) => this.fetch(url, init),
      timeoutMs: 8000,
    };
    this.client = new ChatClient({
      ...http,
      createSocket: (url, protocol) => this.dial(url, protocol),
      onAuthError: (error) => void this.sightings.authErrors.push(error.code),
      maxAttempts: 200,
      frameTimeoutMs: 8000,
    });
    this.feed = new ConversationFeed(this.client, new ChatApi(http), conversationId);
    this.client.on('frame', (frame) => this.see(frame));
    this.client.on('stale', () => (this.sightings.reloads += 1));
  }

  get isOpen(): boolean {
    return this.client.state.name === 'open';
  }

  get messages(): readonly TranscriptMessage[] {
    return this.feed.state.messages;
  }

  get isLoaded(): boolean {
    return this.feed.state.phase === 'ready';
  }

  begin(): void {
    this.client.connect();
    this.feed.open();
  }

  /** Asks for a count; resolves when it is acknowledged or given up. */
  async ask(upTo: number): Promise<Sent> {
    const clientMessageId = randomUUID();
    const content = `count to ${upTo} for ${clientMessageId}`;
    const sent: Sent = { clientMessageId, content, sentAtMs: performance.now() };
    this.sent.push(sent);
    try {
      const accepted = await this.client.sendMessage({
        conversation_id: this.conversationId,
        client_message_id: clientMessageId,
        content,
      });
      sent.acknowledged = { ...accepted, atMs: performance.now() };
    } catch (error) {
      sent.refused = String(error);
    }
    return sent;
  }

  async reload(): Promise<void> {
    await this.feed.load();
  }

  end(): void {
    this.feed.close();
    this.client.close();
  }

  private fetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname, search } = new URL(url);
    return globalThis.fetch(`${this.fleet.addressFor(this.turn++).url}${pathname}${search}`, init);
  }

  private dial(url: string, protocol: string): SocketLike {
    const { pathname, search } = new URL(url);
    const { wsUrl } = this.fleet.addressFor(this.turn++);
    const node = this.fleet.nodeAt(wsUrl);
    const socket = new WebSocket(`${wsUrl}${pathname}${search}`, protocol);
    let hasOpened = false;
    socket.on('open', () => (hasOpened = true));
    socket.on('error', () => {
      // What became of it is told by "close".
    });
    socket.on('close', (code) => {
      if (hasOpened && code === 1006) this.sightings.abnormalEnds.push({ node, atMs: performance.now() });
    });
    return socket;
  }

  private see(frame: ServerFrame): void {
    if (frame.conversation_id !== undefined && frame.conversation_id !== this.conversationId)
      this.sightings.strangersFrames += 1;
  }
}
