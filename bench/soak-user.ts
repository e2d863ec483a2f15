import { randomUUID } from 'node:crypto';
import { CLOSE_CODES } from '../protocol/close-codes.js';
import type { Conversation, MessagePage, SignIn } from '../protocol/resources.js';
import { AnswerReader } from './answer-reader.js';
import { BenchSocket, get, mint, post, Refused, signIn } from './bench-client.js';
import type { SoakTally } from './soak-tally.js';

/** Longer than an expired socket may live: the grace and a tick of the heartbeat. */
const LAPSE_LIMIT_MS = 30_000;

/** Ports of the nodes. */
export interface SoakNodes {
  ports: readonly number[];
  /** The node whose tokens have the life that this user needs. */
  issuer: number;
}

/** One account with at most one session and one socket, on each node in turn. */
export class SoakUser {
  private tokens: SignIn | undefined;
  private socket: BenchSocket | undefined;
  private conversationId: string | undefined;
  /** The expected close code of the socket. */
  private wanted: number = CLOSE_CODES.normal;

  constructor(
    private readonly email: string,
    private readonly kind: string,
    private readonly nodes: SoakNodes,
    private turn: number,
    private readonly tally: SoakTally,
  ) {}

  /** Opens a socket unless there is one. */
  async stayOpen(): Promise<void> {
    if (this.socket === undefined || this.socket.closed !== undefined) await this.connect();
  }

  /** Signs in if needed, and opens a socket with a fresh ticket. */
  async connect(): Promise<void> {
    const { access_token: token } = (this.tokens ??= await this.tally.step('sign-in', () =>
      signIn(this.nodes.issuer, this.email),
    ));
    const { ticket } = await this.tally.step('mint', () => mint(this.port(), token, 'connect'));
    this.socket = await this.tally.step('connect', () => BenchSocket.open(this.port(), ticket));
    this.wanted = CLOSE_CODES.normal;
    this.tally.watch(this.kind, this.socket, () => this.wanted);
  }

  async disconnect(): Promise<void> {
    const { socket } = this;
    this.socket = undefined;
    this.wanted = CLOSE_CODES.normal;
    if (socket?.closed === undefined) await socket?.close();
  }

  /** Ends the session; the server closes its socket. */
  async signOut(): Promise<void> {
    const token = this.tokens?.access_token;
    if (token === undefined) return;
    this.wanted = CLOSE_CODES.session_revoked;
    await this.tally.step('sign-out', () => post(this.port(), '/auth/logout', undefined, token));
    await this.socket?.closes(LAPSE_LIMIT_MS);
    this.socket = undefined;
    this.tokens = undefined;
  }

  /** Leaves without signing out: the session expires by itself. */
  async walkAway(): Promise<void> {
    await this.disconnect();
    if (this.tokens !== undefined) this.tally.abandoned += 1;
    this.tokens = undefined;
  }

  /** Gets new tokens, and extends the open socket with a renewal ticket. */
  async renew(): Promise<void> {
    const { access_token: token } = await this.refreshTokens();
    const { ticket } = await this.tally.step('mint', () => mint(this.port(), token, 'refresh'));
    await this.tally.step('renew', () => this.open.ask('auth.refresh', { ticket }, 'auth.refreshed'));
  }

  /** Lets its socket expire. The session continues. */
  async lapse(): Promise<void> {
    this.wanted = CLOSE_CODES.auth_expired;
    await this.open.closes(LAPSE_LIMIT_MS);
    this.socket = undefined;
    await this.refreshTokens();
  }

  async subscribe(): Promise<void> {
    await this.tally.step('subscribe', async () => {
      const conversationId = await this.conversation();
      await this.open.ask('subscribe', { conversation_id: conversationId }, 'subscribed');
    });
  }

  /** Asks a question, reads the answer as it is written and compares it with the expected text. */
  async ask(): Promise<void> {
    const words = 5 + Math.floor(Math.random() * 20);
    const { text } = await this.tally.step('answer', async () => {
      const reader = await this.question(words, ({ end }) => end !== undefined);
      if (reader.end !== 'run.completed') throw new Refused('answer', reader.end ?? 'unexpected');
      return reader;
    });
    if (text === countTo(words)) return;
    // A piece was lost, which a client sees by the length in the last frame: it loads the conversation.
    const stored = await this.tally.step('answer loaded', () => this.lastMessage());
    if (stored !== countTo(words)) this.tally.fault(`the answer to "count to ${words}" is ${stored}`);
  }

  /** Asks a question and leaves before the answer. */
  async askAndLeave(): Promise<void> {
    await this.tally.step('question', () => this.question(200, (reader) => reader.isAccepted));
    await this.disconnect();
  }

  /** After a refusal: begins again with another session. */
  async startOver(): Promise<void> {
    // A socket that does not close is counted when it ends.
    await this.walkAway().catch(() => this.tally.fault('a socket did not close'));
  }

  private async question(words: number, isEnough: (reader: AnswerReader) => boolean): Promise<AnswerReader> {
    const reader = new AnswerReader();
    const data = {
      conversation_id: await this.conversation(),
      client_message_id: randomUUID(),
      content: `count to ${words}`,
    };
    await this.open.exchange('message.send', data, (frame) => {
      reader.read(frame);
      return reader.error !== undefined || isEnough(reader);
    });
    if (reader.error !== undefined) throw new Refused('message.send', reader.error);
    return reader;
  }

  private async lastMessage(): Promise<string | undefined> {
    const path = `/conversations/${await this.conversation()}/messages?limit=1`;
    const page = await get<MessagePage>(this.port(), path, this.tokens?.access_token ?? '');
    return page.messages.at(-1)?.content;
  }

  private async conversation(): Promise<string> {
    const token = this.tokens?.access_token;
    this.conversationId ??= (await post<Conversation>(this.port(), '/conversations', {}, token)).id;
    return this.conversationId;
  }

  private async refreshTokens(): Promise<SignIn> {
    const body = { refresh_token: this.tokens?.refresh_token };
    this.tokens = await this.tally.step('refresh', () =>
      post<SignIn>(this.nodes.issuer, '/auth/refresh', body),
    );
    return this.tokens;
  }

  private get open(): BenchSocket {
    if (this.socket === undefined) throw new Error(`${this.email} has no socket`);
    return this.socket;
  }

  /** The next node in turn. */
  private port(): number {
    const { ports } = this.nodes;
    return ports[this.turn++ % ports.length] ?? 0;
  }
}

function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => index + 1).join(' ');
}
