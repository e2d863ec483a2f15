import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import {
  ApiError,
  ChatApi,
  ChatClient,
  ConversationFeed,
  type TranscriptMessage,
} from '../../client/src/index.js';
import type { SocketLike } from '../../client/src/link.js';
import type { ServerFrame } from '../../protocol/messages.js';
import type { AcceptedMessage } from '../../protocol/resources.js';
import { createConversation, register, remembered, signIn, type TestUser } from '../support/user.js';
import { eventually } from '../support/waiting.js';
import type { Fleet } from './fleet.js';

/** A message that was sent, and its acknowledgement. Times are milliseconds of the same clock. */
export interface Sent {
  clientMessageId: string;
  content: string;
  sentAtMs: number;
  acknowledged?: AcceptedMessage & { atMs: number };
  /** The error with which the client gave up. */
  refused?: string;
}

/** What a customer saw that should not happen. */
export interface Sightings {
  strangersFrames: number;
  /** Sockets that ended without a close frame after they had opened, by the name of the node behind them. */
  abnormalEnds: { node: string; atMs: number }[];
  reloads: number;
  /** Why the customer had to sign in again. */
  authErrors: string[];
}

const SIGN_IN_LIMIT_MS = 30_000;

/** A customer with an account and a conversation of their own. */
export async function newCustomer(fleet: Fleet, turn: number): Promise<Customer> {
  const node = fleet.berths[0]!.node;
  const { email, password } = await register(node);
  const user = await signIn(node, email, password);
  const { id } = await createConversation(node, user);
  return new Customer(user, id, fleet, turn);
}

/** One user with the real client package and one conversation, dialling whichever node is up. */
export class Customer {
  readonly sent: Sent[] = [];
  readonly sightings: Sightings = { strangersFrames: 0, abnormalEnds: [], reloads: 0, authErrors: [] };
  private readonly client: ChatClient;
  private readonly api: ChatApi;
  private accessToken: string;
  private signingIn: Promise<void> | undefined;
  private readonly feed: ConversationFeed;

  constructor(
    readonly user: TestUser,
    readonly conversationId: string,
    private readonly fleet: Fleet,
    private turn: number,
    /** A node that is dialled only when no other is up. */
    private readonly avoidedNode?: string,
  ) {
    this.accessToken = user.accessToken;
    const http = {
      baseUrl: 'http://fleet.invalid',
      getAccessToken: () => Promise.resolve(this.accessToken),
      fetch: (url: string, init: RequestInit) => this.fetch(url, init),
      timeoutMs: 8000,
    };
    this.client = new ChatClient({
      ...http,
      createSocket: (url, protocol) => this.dial(url, protocol),
      onAuthError: (error) => void this.isSignedInAgain(error),
      maxAttempts: 200,
      frameTimeoutMs: 8000,
    });
    this.api = new ChatApi(http);
    this.feed = new ConversationFeed(this.client, this.api, conversationId);
    this.client.on('frame', (frame) => this.see(frame));
    this.client.on('stale', () => (this.sightings.reloads += 1));
  }

  /** The user with the access token that is in use now. */
  get signedIn(): TestUser {
    return { ...this.user, accessToken: this.accessToken };
  }

  get isOpen(): boolean {
    return this.client.state.name === 'open';
  }

  /** The name of the node that it is connected to, while it is. */
  get node(): string | undefined {
    const { state } = this.client;
    return state.name === 'open' ? state.ready.node : undefined;
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

  /** Calls `listener` with each frame that the client accepts. Returns the function that stops this. */
  onFrame(listener: (frame: ServerFrame) => void): () => void {
    return this.client.on('frame', listener);
  }

  /** Asks for a count; resolves when it is acknowledged or given up. */
  async ask(upTo: number): Promise<Sent> {
    const clientMessageId = randomUUID();
    const content = `count to ${upTo} for ${clientMessageId}`;
    const sent: Sent = { clientMessageId, content, sentAtMs: performance.now() };
    this.sent.push(sent);
    const message = { conversation_id: this.conversationId, client_message_id: clientMessageId, content };
    while (sent.acknowledged === undefined && sent.refused === undefined) {
      try {
        const accepted = await this.client.sendMessage(message);
        sent.acknowledged = { ...accepted, atMs: performance.now() };
      } catch (error) {
        // A message that failed for lack of a session is sent again, as the same message, with the next session.
        if (!(await this.isSignedInAgain(error))) sent.refused = String(error);
      }
    }
    return sent;
  }

  /** Opens a new session for everything that follows, as when a page is closed and opened again. */
  signIn(): Promise<void> {
    this.signingIn ??= this.openSession().finally(() => {
      this.signingIn = undefined;
    });
    return this.signingIn;
  }

  async reload(): Promise<void> {
    await this.feed.load();
  }

  end(): void {
    this.feed.close();
    this.client.close();
  }

  private async openSession(): Promise<void> {
    const { email, password } = this.user;
    const enter = () => this.api.login(email, password).catch(() => undefined);
    const session = await eventually(enter, `${email} to sign in`, SIGN_IN_LIMIT_MS);
    this.accessToken = remembered(session).accessToken;
    this.client.close();
    this.client.connect();
    await this.feed.load();
  }

  /** Whether `error` came from a missing session and the customer has signed in again. */
  private async isSignedInAgain(error: unknown): Promise<boolean> {
    if (!(error instanceof ApiError)) return false;
    if (this.signingIn === undefined) {
      if (error.kind !== 'auth') return false;
      this.sightings.authErrors.push(error.code);
    }
    // A customer who cannot sign in is not served, which is a finding of its own.
    return this.signIn().then(
      () => true,
      () => false,
    );
  }

  private fetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname, search } = new URL(url);
    return globalThis.fetch(
      `${this.fleet.addressFor(this.turn++, this.avoidedNode).url}${pathname}${search}`,
      init,
    );
  }

  private dial(url: string, protocol: string): SocketLike {
    const { pathname, search } = new URL(url);
    const { wsUrl } = this.fleet.addressFor(this.turn++, this.avoidedNode);
    const node = this.fleet.nodeAt(wsUrl);
    const socket = new WebSocket(`${wsUrl}${pathname}${search}`, protocol);
    let hasOpened = false;
    socket.on('open', () => (hasOpened = true));
    socket.on('error', () => {
      // "close" follows and reports the end.
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
