import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServerFrameData } from '../protocol/messages.js';
import type { Receipt } from '../protocol/resources.js';
import { freePort } from '../scripts/free-port.js';
import { SERVER_ENTRY } from '../scripts/project.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { aChat, ask, conversation, countTo, endOf, history, textOf, watch } from './chat.support.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import { addressOf, type NodeAddress, type TestNode, TEST_ORIGIN } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually, within } from './support/waiting.js';

const DRAIN_SECONDS = 3;
/** Extra time for a process to end on a busy machine. */
const MARGIN_MS = 1000;

let cluster: Cluster;
let user: TestUser;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 });
  user = await aUser(cluster);
});

afterAll(() => cluster.stop());

const leavingNode = (env: Record<string, string> = {}): Promise<TestNode> =>
  cluster.addNode({ DRAIN_SECONDS: String(DRAIN_SECONDS), ...env });

const drainingOf = async (socket: TestSocket): Promise<ServerFrameData['server.draining']> =>
  (await socket.next('server.draining')).data;

/** Dials the node that stays, with a handoff ticket, as the proxy in front of both would. */
const follow = (ticket: string, path = '/ws', origin?: string): Promise<TestSocket> =>
  TestSocket.connect(cluster.node, { ticket, path, ...(origin !== undefined && { origin }) });

describe('a node that is told to stop', () => {
  it('is at once not ready but live, refuses upgrades, and exits with code 0 when its last socket closes', async () => {
    const leaving = await leavingNode();
    const socket = await TestSocket.open(leaving, user);
    const { ticket } = await mintTicket(cluster.node, user);
    const start = Date.now();
    leaving.signal('SIGTERM');
    await drainingOf(socket);
    expect((await request('GET', `${leaving.url}/health/ready`)).status).toBe(503);
    expect((await request('GET', `${leaving.url}/health/live`)).status).toBe(200);
    expect((await as(user, 'GET', `${leaving.url}/auth/me`)).status).toBe(200);
    const refused = await rawUpgrade(leaving, { ticket });
    expect([refused.status, refused.problem().code]).toEqual([503, 'draining']);
    // The refusal did not consume the ticket: it opens a socket on another node.
    const other = await TestSocket.connect(cluster.node, { ticket });
    await Promise.all([socket.close(), other.close()]);
    expect(await within(leaving.exited, 'the end of the node')).toMatchObject({ code: 0 });
    expect(Date.now() - start).toBeLessThan(DRAIN_SECONDS * 1000);
  });

  it('gives each socket its own ticket and slot, spread over the window', async () => {
    const leaving = await leavingNode();
    const users = await Promise.all(Array.from({ length: 4 }, () => aUser(cluster)));
    const sockets = await Promise.all(
      users.flatMap((owner) => [TestSocket.open(leaving, owner), TestSocket.open(leaving, owner)]),
    );
    leaving.signal('SIGTERM');
    const frames = await Promise.all(sockets.map(drainingOf));
    expect(new Set(frames.map((frame) => frame.handoff_ticket)).size).toBe(sockets.length);
    const slots = frames.map((frame) => frame.connect_after_ms).sort((a, b) => a - b);
    for (const [index, slot] of slots.entries()) {
      if (index > 0) expect(slot).toBeGreaterThan(slots[index - 1] ?? 0);
    }
    const deadline = Math.min(...frames.map((frame) => frame.deadline_ms));
    expect(slots.at(-1)).toBeLessThan(deadline);
    expect((slots.at(-1) ?? 0) - (slots[0] ?? 0)).toBeGreaterThan(deadline / 3);
    expect(deadline).toBeLessThan(DRAIN_SECONDS * 1000);
    expect(await metric(leaving, 'chat_tickets_total', { event: 'handoff' })).toBe(sockets.length);
    await Promise.all(sockets.map((socket) => socket.close()));
    expect(await leaving.exited).toMatchObject({ code: 0 });
  });

  it('closes a socket with 4103 when its client has followed, as the same user and client', async () => {
    const leaving = await leavingNode({
      LIMIT_TICKETS_PER_USER_PER_MINUTE: '1',
      LIMIT_TICKETS_OUTSTANDING_PER_USER: '1',
    });
    const owner = await aUser(cluster);
    const { id } = await createConversation(cluster.node, owner);
    // This socket reaches the limits of the user.
    const minted = { client_id: 'tab', origin: TEST_ORIGIN, conversation_id: id };
    const { ticket } = await mintTicket(leaving, owner, minted);
    const path = `/ws/conversations/${id}`;
    const socket = await TestSocket.connect(leaving, { ticket, path, origin: TEST_ORIGIN });
    const ready = (await socket.next('ready')).data;
    leaving.signal('SIGTERM');
    const draining = await drainingOf(socket);
    expect(draining.url).toBe(leaving.wsUrl + path);
    const next = await follow(draining.handoff_ticket, path, TEST_ORIGIN);
    const { user: who, session_id, client_id, node, auth } = (await next.next('ready')).data;
    expect({ who, session_id, client_id, node }).toEqual({
      who: ready.user,
      session_id: ready.session_id,
      client_id: 'tab',
      node: cluster.node.name,
    });
    expect(auth.expires_at).toBe(ready.auth.expires_at);
    expect(await socket.closes()).toEqual({ code: 4103, reason: 'handoff_done' });
    expect(await leaving.exited).toMatchObject({ code: 0 });
    // It opens one socket, like any ticket.
    await expect(follow(draining.handoff_ticket, path, TEST_ORIGIN)).rejects.toThrow('403');
    await next.close();
  });

  it('binds the ticket to the origin of the socket and to its session', async () => {
    const leaving = await leavingNode();
    const owner = await aUser(cluster);
    const browser = await TestSocket.open(leaving, user, { origin: TEST_ORIGIN });
    const signedOut = await TestSocket.open(leaving, owner);
    leaving.signal('SIGTERM');
    const [bound, dying] = await Promise.all([drainingOf(browser), drainingOf(signedOut)]);
    await expect(follow(bound.handoff_ticket)).rejects.toThrow('403');
    await as(owner, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });
    expect((await signedOut.closes()).code).toBe(4410);
    await expect(follow(dying.handoff_ticket)).rejects.toThrow('403');
    const rows = await eventually(async () => {
      const found = await cluster.sql<{ event: string; handoff: string | null }>(
        "SELECT event, fields->>'handoff' AS handoff FROM audit_log WHERE user_id = $1 AND event LIKE 'ticket.%'",
        [owner.user.id],
      );
      return found.length === 4 && found;
    }, 'the audit rows of the handoff ticket');
    expect(rows.map(({ event, handoff }) => `${event} ${handoff ?? ''}`.trim()).sort()).toEqual([
      'ticket.consumed',
      'ticket.issued',
      'ticket.issued true',
      'ticket.revoked',
    ]);
    await browser.close();
    expect(await leaving.exited).toMatchObject({ code: 0 });
  });

  it('closes sockets that have not moved with 1012 at the deadline, and ends within the window', async () => {
    const leaving = await leavingNode();
    const minted = await mintTicket(leaving, user);
    const socket = await TestSocket.connect(leaving, { ticket: minted.ticket });
    await socket.next('ready');
    const start = Date.now();
    leaving.signal('SIGTERM');
    const { deadline_ms } = await drainingOf(socket);
    // Until then the socket is served like any other.
    const chat = await aChat(cluster.node, user);
    const accepted = await ask({ id: chat.id, socket }, 'count to 2');
    await endOf(socket, accepted.run_id);
    const { code, reason } = await socket.closes();
    const ms = Date.now() - start;
    expect(code).toBe(1012);
    expect(reason).toMatch(/^service_restart;retry_after_ms=\d+$/);
    expect(ms).toBeGreaterThan(deadline_ms - 250);
    expect(await leaving.exited).toMatchObject({ code: 0 });
    expect(Date.now() - start).toBeLessThan(DRAIN_SECONDS * 1000 + MARGIN_MS);
    const path = `${cluster.node.url}/websocket/tickets/${minted.ticket_id}`;
    const { body } = await as<Receipt>(user, 'GET', path, { expect: 200 });
    expect(body.close).toEqual({ code, reason });
    await chat.socket.close();
  });

  it('closes with 1012 when Redis is down and no ticket can be minted', async () => {
    const leaving = await leavingNode();
    const socket = await TestSocket.open(leaving, user);
    cluster.redis.kill('SIGSTOP');
    try {
      const start = Date.now();
      leaving.signal('SIGTERM');
      expect((await socket.closes()).code).toBe(1012);
      expect(socket.all('server.draining')).toEqual([]);
      expect(await leaving.exited).toMatchObject({ code: 0 });
      expect(Date.now() - start).toBeLessThan(DRAIN_SECONDS * 1000 + MARGIN_MS);
    } finally {
      cluster.redis.kill('SIGCONT');
    }
  });

  it('loses no part of the answer that it writes while the reader moves', async () => {
    const leaving = await leavingNode();
    const chat = await aChat(leaving, await aUser(cluster));
    const { run_id } = await ask(chat, 'count to 100');
    await chat.socket.next('message.delta');
    leaving.signal('SIGTERM');
    const { handoff_ticket } = await drainingOf(chat.socket);
    const next = await follow(handoff_ticket);
    const { last_seq: seq } = await conversation({ ...chat, node: cluster.node });
    await next.send('resume', { cursors: [{ conversation_id: chat.id, seq }] });
    expect((await chat.socket.closes()).code).toBe(4103);
    const watcher = await watch(chat, cluster.node);
    const end = await endOf(next, run_id);
    expect(textOf(next, end.message_id)).toBe(countTo(100));
    const stored = await history({ ...chat, node: cluster.node });
    expect(stored.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'count to 100'],
      ['assistant', countTo(100)],
    ]);
    expect(await leaving.exited).toMatchObject({ code: 0 });
    await Promise.all([next.close(), watcher.close()]);
  });

  it.each(['SIGQUIT', 'SIGHUP'] as const)('drains at %s as at SIGTERM', async (signal) => {
    const leaving = await leavingNode({ DRAIN_SECONDS: '0' });
    const socket = await TestSocket.open(leaving, user);
    leaving.signal(signal);
    expect((await socket.closes()).code).toBe(1012);
    expect(await leaving.exited).toEqual({ code: 0, signal: null });
    expect(leaving.logged('server.stopping')).toMatchObject([{ signal }]);
  });

  it('hurries when it is told again, and takes the same stop twice for one', async () => {
    const leaving = await leavingNode({ DRAIN_SECONDS: '600' });
    const chat = await aChat(leaving, await aUser(cluster));
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'count to 200');
    await chat.socket.next('message.delta');
    leaving.signal('SIGTERM');
    leaving.signal('SIGHUP');
    await drainingOf(chat.socket);
    expect((await chat.socket.send('ping', {})).type).toBe('pong');
    await eventually(() => {
      leaving.signal('SIGTERM');
      return leaving.logged('server.stop_hurried').length > 0;
    }, 'the second stop');
    expect((await chat.socket.closes()).code).toBe(1012);
    expect(await within(leaving.exited, 'the end of the node')).toEqual({ code: 0, signal: null });
    const end = await endOf(watcher, run_id);
    expect(textOf(watcher, end.message_id)).toBe(countTo(200));
    await watcher.close();
  });
});

describe('a node whose log nobody reads', () => {
  /** On a busy machine. */
  const START_LIMIT_MS = 45_000;
  let child: ChildProcess | undefined;

  afterEach(() => {
    child?.kill('SIGKILL');
    child?.unref();
  });

  /** The built server with this as its standard output. */
  async function startWith(stdout: 'pipe' | number): Promise<{ child: ChildProcess; node: NodeAddress }> {
    const port = await freePort();
    const env = {
      DATABASE_URL: cluster.databaseUrl,
      REDIS_URL: cluster.redisUrl,
      JWT_SECRET: cluster.jwtSecret,
      PORT: String(port),
      DRAIN_SECONDS: '0',
    };
    const started = spawn(process.execPath, [SERVER_ENTRY], { env, stdio: ['ignore', stdout, 'ignore'] });
    child = started;
    const node = addressOf(port);
    const isUp = () =>
      request('GET', `${node.url}/health/ready`).then(
        ({ status }) => status === 200,
        () => false,
      );
    await eventually(isUp, 'the node to be ready', START_LIMIT_MS);
    return { child: started, node };
  }

  /** Every kind of line: a socket, a refusal, and the end of the process. */
  async function serveAndStop({ child: started, node }: { child: ChildProcess; node: NodeAddress }) {
    const exited = once(started, 'exit');
    const socket = await TestSocket.open(node, user);
    for (let count = 0; count < 3; count++) {
      expect((await request('GET', `${node.url}/nothing/${count}`)).status).toBe(404);
      expect((await socket.send('ping', {})).type).toBe('pong');
    }
    started.kill('SIGTERM');
    expect((await socket.closes()).code).toBe(1012);
    return within(exited, 'the end of the node', 20_000);
  }

  it('serves and stops in order after the reader has died', async () => {
    const started = await startWith('pipe');
    started.child.stdout?.destroy();
    expect(await serveAndStop(started)).toEqual([0, null]);
  });

  it('serves while the reader does not read, and ends', async () => {
    const fifo = join(currentRun().data, `log-${randomBytes(4).toString('hex')}`);
    execFileSync('mkfifo', [fifo]);
    const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    fill(reader);
    const writer = openSync(fifo, constants.O_WRONLY);
    try {
      // Node cannot exit while a write waits.
      expect(await serveAndStop(await startWith(writer))).toEqual([null, 'SIGKILL']);
    } finally {
      closeSync(writer);
      closeSync(reader);
    }
  });
});

/** Until nothing fits into the pipe any more. */
function fill(pipe: number): void {
  const piece = Buffer.alloc(4096);
  try {
    for (;;) writeSync(pipe, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  }
}
