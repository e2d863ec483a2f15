import WebSocket from 'ws';
import { ChatApi } from '../../client/src/api.js';
import { ChatClient } from '../../client/src/chat-client.js';
import type { ServerFrame } from '../../protocol/messages.js';
import type { SignIn } from '../../protocol/resources.js';
import type { Closed } from './socket.js';
import type { NodeAddress } from './node.js';
import { rememberFrame } from './seen-codes.js';
import { remembered } from './user.js';
import { eventually, WAIT_MS } from './waiting.js';

/** A page: the client package, and a sign-in that keeps its access token until it is asked for a fresh one. */
export class Page {
  readonly client: ChatClient;
  readonly frames: ServerFrame[] = [];
  /** How its sockets ended. */
  readonly ends: Closed[] = [];
  readonly authErrors: string[] = [];
  readonly errors: string[] = [];
  /** `POST /websocket/ticket` and so on, in order. */
  readonly calls: string[] = [];
  sockets = 0;
  private signedIn: SignIn;

  private constructor(
    readonly node: NodeAddress,
    signedIn: SignIn,
  ) {
    this.signedIn = signedIn;
    this.client = new ChatClient({
      baseUrl: node.url,
      getAccessToken: ({ fresh }) => this.accessToken(fresh),
      fetch: (url, init) => {
        this.calls.push(`${init.method} ${new URL(url).pathname}`);
        return fetch(url, init);
      },
      createSocket: (url, protocol) => this.dial(url, protocol),
      onAuthError: (error) => this.authErrors.push(error.code),
    });
    this.client.on('frame', (frame) => {
      rememberFrame(frame);
      this.frames.push(frame);
    });
    this.client.on('error', (error) => this.errors.push(error.code));
  }

  /** Signs in and connects. */
  static async open(node: NodeAddress, account: { email: string; password: string }): Promise<Page> {
    const api = new ChatApi({ baseUrl: node.url, getAccessToken: async () => undefined });
    const signedIn = await api.login(account.email, account.password);
    remembered(signedIn);
    const page = new Page(node, signedIn);
    page.client.connect();
    await page.until(() => page.client.state.name === 'open', 'an open connection');
    return page;
  }

  get expiresIn(): number {
    return this.signedIn.expires_in;
  }

  get token(): string {
    return this.signedIn.access_token;
  }

  get ready() {
    const { state } = this.client;
    if (state.name !== 'open') throw new Error(`expected an open connection, it is ${state.name}`);
    return state.ready;
  }

  all(type: ServerFrame['type']): ServerFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Waits until it is so; says what the page has seen when it never is. */
  async until(isSo: () => boolean, what: string, limitMs = WAIT_MS): Promise<void> {
    await eventually(isSo, `${what}; ${this.story()}`, limitMs).catch((error: Error) => {
      throw new Error(`${error.message}; now ${this.story()}`);
    });
  }

  private async accessToken(fresh: boolean): Promise<string> {
    if (fresh) {
      const api = new ChatApi({ baseUrl: this.node.url, getAccessToken: async () => undefined });
      this.signedIn = await api.refresh(this.signedIn.refresh_token);
      remembered(this.signedIn);
    }
    return this.signedIn.access_token;
  }

  private dial(url: string, protocol: string): WebSocket {
    this.sockets += 1;
    const socket = new WebSocket(url, protocol);
    socket.on('close', (code, reason) => this.ends.push({ code, reason: reason.toString() }));
    return socket;
  }

  private story(): string {
    const { state } = this.client;
    const types = this.frames.map(({ type }) => type).slice(-20);
    return `it is ${state.name}, saw [${types.join(', ')}], ends ${JSON.stringify(this.ends)}, errors ${this.errors.join(', ')}`;
  }
}
