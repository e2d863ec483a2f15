import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aChat, type Chat } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { clientFrame, RawSocket } from './support/raw-socket.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket } from './support/user.js';
import { eventually, within } from './support/waiting.js';

/** Longer than the shortest heartbeat and its timeout together, and than every other limit of a socket. */
const ASLEEP_MS = 11_500;
const ALIVE = 3;
/** Requests that wait for Redis, or for a connection to PostgreSQL, when the node stands still. */
const ASKED = 100;
const PIECE = 'x'.repeat(8000);

/** SIGSTOP and SIGCONT do to a process what a busy machine, a debugger or a moving virtual machine does. */
describe('a node that stood still', () => {
  let cluster: Cluster;
  let asleep: TestNode;
  let alive: RawSocket[];
  let silent: RawSocket;
  /** Has an open connection, and sends its credential while the node stands still. */
  let pending: RawSocket;
  /** Stops reading before the node stands still, and reads again meanwhile. */
  let reader: TestSocket;
  let chat: Chat;
  let asked: Promise<{ status: number }>[];
  let written: Promise<{ status: number }>[];
  let accepted: Promise<unknown>;
  let dialled: Promise<RawSocket>;
  let awakeAt: number;

  beforeAll(async () => {
    const env = { WS_HEARTBEAT_SECONDS: '1', WS_MAX_CONNECTIONS_PER_SESSION: '20' };
    cluster = await startCluster({ nodes: 1, env: { ...env, FLAG_LEGACY_FIRST_MESSAGE: 'true' } });
    asleep = cluster.node;
    chat = await aChat(asleep, await aUser(cluster));
  });

  beforeAll(async () => {
    const dial = async () => RawSocket.open(asleep, { ticket: (await mintTicket(asleep, chat.user)).ticket });
    const { ticket } = await mintTicket(asleep, chat.user);
    alive = await Promise.all(Array.from({ length: ALIVE }, dial));
    for (const raw of alive) raw.doesPong = true;
    reader = await stalledReader();
    silent = await dial();
    for (const raw of alive) {
      raw.doesPong = false;
      raw.pings = 0;
    }
    const pinged = () => [...alive, silent].every((raw) => raw.pings > 0);
    await eventually(pinged, 'a ping on every socket');
    pending = await RawSocket.open(asleep, {});

    asked = Array.from({ length: ASKED }, () =>
      as(chat.user, 'POST', `${asleep.url}/websocket/ticket`, { body: {} }),
    );
    written = Array.from({ length: ASKED }, () =>
      as(chat.user, 'POST', `${asleep.url}/conversations`, { body: {} }),
    );
    for (const promise of [...asked, ...written]) promise.catch(() => undefined);
    await Promise.all([Promise.race(asked), Promise.race(written)]);
    asleep.signal('SIGSTOP');
    const asleepAt = Date.now();
    const sleeps = (ms: number) =>
      eventually(() => Date.now() - asleepAt > ms, 'a node that stands still', 2 * ASLEEP_MS);
    await sleeps(300);
    for (const raw of alive) {
      raw.pong();
      raw.doesPong = true;
    }
    reader.ws.resume();
    pending.write(clientFrame(JSON.stringify({ type: 'initial', token: chat.user.accessToken })));
    const question = { conversation_id: chat.id, client_message_id: randomUUID(), content: 'count to 3' };
    accepted = chat.socket.send('message.send', question, 2 * ASLEEP_MS);
    dialled = RawSocket.open(asleep, { ticket }, undefined, 2 * ASLEEP_MS);
    for (const promise of [accepted, dialled]) promise.catch(() => undefined);
    await sleeps(ASLEEP_MS);
    asleep.signal('SIGCONT');
    awakeAt = Date.now();
  });

  afterAll(async () => {
    asleep?.signal('SIGCONT');
    for (const raw of [...(alive ?? []), silent, pending]) raw?.destroy();
    await cluster?.stop();
  });

  /** A socket for which more waits than the kernel takes, but not enough to close it. */
  async function stalledReader(): Promise<TestSocket> {
    const socket = await TestSocket.open(asleep, chat.user);
    await socket.send('subscribe', { conversation_id: chat.id });
    socket.ws.pause();
    const messages = Array.from({ length: 3000 }, (_, index) => {
      const data = { run_id: chat.id, message_id: chat.id, offset: 0, text: `${index}${PIECE}` };
      return `\n${JSON.stringify({ type: 'message.delta', conversation_id: chat.id, ts: '', data })}`;
    });
    const script = "for _, message in ipairs(ARGV) do redis.call('PUBLISH', KEYS[1], message) end";
    await withRedis(cluster, async (redis) => {
      for (let sent = 0; sent < messages.length; sent += 250)
        await redis.eval(script, 1, `conversation:${chat.id}`, ...messages.slice(sent, sent + 250));
    });
    return socket;
  }

  it('reads the pongs that had come before it closes anybody', async () => {
    for (const [index, raw] of alive.entries()) {
      raw.write(clientFrame(JSON.stringify({ type: 'ping', id: 'after', data: { t: index } })));
      const answered = () => raw.frames.some(({ re }) => re === 'after') || raw.close !== undefined;
      await eventually(answered, 'an answer');
      expect(raw.close).toBeUndefined();
    }
  });

  it('reads the first message that had come before it closes a socket without a user', async () => {
    await eventually(() => pending.frames.length > 0, 'an answer to the first message');
    expect(pending.frames.map(({ type }) => type)).toEqual(['ready']);
  });

  it('opens the socket that was dialled, and accepts what was sent', async () => {
    const raw = await dialled;
    await eventually(() => raw.frames.length > 0, 'the first frame');
    expect(raw.frames[0]?.type).toBe('ready');
    expect(await within(accepted, 'the answer to a question')).toMatchObject({ type: 'message.accepted' });
    raw.destroy();
  });

  it('refuses nobody whose answer from Redis it had not read yet, and does not take Redis for dead', async () => {
    const answers = await within(Promise.all(asked), 'the tickets');
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(await metric(asleep, 'chat_breaker_state', { dependency: 'redis' })).toBe(0);
    expect((await request('GET', `${asleep.url}/health/ready`)).status).toBe(200);
    expect([...asleep.logged('redis.lost'), ...asleep.logged('redis.silent')]).toEqual([]);
  });

  it('refuses nobody who was waiting for PostgreSQL, and does not take it for dead', async () => {
    const answers = await within(Promise.all(written), 'the conversations');
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(await metric(asleep, 'chat_breaker_state', { dependency: 'postgres' })).toBe(0);
    expect(asleep.logged('postgres.lost')).toEqual([]);
  });

  it('gives a client that reads again its rest, before it calls it too slow', async () => {
    const isLast = ({ type, data }: { type: string; data: object }) =>
      type === 'message.delta' && 'text' in data && String(data.text).startsWith('2999');
    await reader.nextWhere(isLast, 'the newest text');
    expect((await reader.send('ping', {})).type).toBe('pong');
  });

  it('closes with 4509 who really does not answer, in its time, and nobody else', async () => {
    expect(await silent.closes(15_000)).toEqual({ code: 4509, reason: 'heartbeat_timeout' });
    expect(Date.now() - awakeAt).toBeLessThan(12_000);
    for (const raw of [...alive, pending]) expect([raw.close, raw.isEnded]).toEqual([undefined, false]);
    expect((await reader.send('ping', {})).type).toBe('pong');
    await reader.close();
  });
});
