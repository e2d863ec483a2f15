import { existsSync, readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import type { ServerFrame } from '../../protocol/messages.js';
import type { Conversation, IssuedTicket, SignIn } from '../../protocol/resources.js';

const STEP_TIMEOUT_MS = 15_000;
const DEMO_FACTS = '.admit-one/demo.json';

/**
 * Checks a running server as a client sees it, and prints four lines: the handshake, its sign-in, `ready`, and a
 * connection that stays open for the answer. Address, account and password come from `ADMIT_ONE_URL`,
 * `ADMIT_ONE_EMAIL` and `ADMIT_ONE_PASSWORD`; the default is the demo on this machine.
 */
async function main(): Promise<void> {
  const base = process.env.ADMIT_ONE_URL ?? demoUrl();
  const email = process.env.ADMIT_ONE_EMAIL ?? 'user-a@example.test';
  const password = process.env.ADMIT_ONE_PASSWORD ?? 'demo-password';
  const signIn = await post<SignIn>(`${base}/auth/login`, { email, password });
  const token = signIn.access_token;
  const conversation = await post<Conversation>(`${base}/conversations`, { title: 'test:ws' }, token);
  const minted = await post<IssuedTicket>(
    `${base}/websocket/ticket`,
    { conversation_id: conversation.id },
    token,
  );
  const address = `${base.replace(/^http/, 'ws')}${new URL(minted.url).pathname}?ticket=${minted.ticket}`;

  const socket = new WebSocket(address, minted.protocol);
  const frames = new FrameReader(socket);
  await frames.opened();
  say('WebSocket handshake succeeds (no 403)');
  const ready = await frames.next('ready');
  if (ready.data.user.id !== signIn.user.id) throw new Error('the socket belongs to somebody else');
  say('initial authentication is accepted');
  say('"ready" is received');
  const data = {
    conversation_id: conversation.id,
    client_message_id: 'test-ws',
    content: 'What is a ticket?',
  };
  socket.send(JSON.stringify({ type: 'message.send', id: '1', data }));
  await frames.next('message.accepted');
  await frames.next('message.delta');
  await frames.next('run.completed');
  if (socket.readyState !== WebSocket.OPEN) throw new Error('the connection was closed during the answer');
  say('the connection stays open for streaming');
  socket.close(1000);
  await fetch(`${base}/conversations/${conversation.id}`, { method: 'DELETE', headers: bearer(token) });
}

/** The frames of one socket, each waited for with a limit. */
class FrameReader {
  private readonly frames: ServerFrame[] = [];
  private wake: (() => void) | undefined;
  private failure: Error | undefined;

  constructor(private readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString()) as ServerFrame);
      this.wake?.();
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('close', (code, reason) => this.fail(new Error(`closed with ${code} ${reason.toString()}`)));
    socket.on('open', () => this.wake?.());
  }

  async opened(): Promise<void> {
    while (this.socket.readyState === WebSocket.CONNECTING) await this.changed('the handshake');
    if (this.failure !== undefined) throw this.failure;
  }

  async next<T extends ServerFrame['type']>(type: T): Promise<Extract<ServerFrame, { type: T }>> {
    for (;;) {
      const index = this.frames.findIndex((frame) => frame.type === type);
      const [frame] = index === -1 ? [] : this.frames.splice(index, 1);
      if (frame !== undefined) return frame as Extract<ServerFrame, { type: T }>;
      await this.changed(`"${type}"`);
    }
  }

  private async changed(what: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`waited ${STEP_TIMEOUT_MS} ms for ${what}`)),
        STEP_TIMEOUT_MS,
      );
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.wake?.();
  }
}

async function post<T>(url: string, body: unknown, token?: string): Promise<T> {
  const headers = { 'content-type': 'application/json', ...(token !== undefined && bearer(token)) };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function demoUrl(): string {
  if (!existsSync(DEMO_FACTS))
    throw new Error('no demo runs here: start it with npm run demo, or set ADMIT_ONE_URL');
  const { front } = JSON.parse(readFileSync(DEMO_FACTS, 'utf8')) as { front: { port: number } };
  return `http://localhost:${front.port}`;
}

function say(check: string): void {
  process.stdout.write(`ok - ${check}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`not ok - ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
