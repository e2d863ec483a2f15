import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Receipt } from '../protocol/resources.js';
import { history } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { clientFrame, closeFrame, RawSocket } from './support/raw-socket.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const frame = (type: string, data: object = {}) =>
  clientFrame(JSON.stringify({ type, id: randomUUID(), data }));

/** What was read before a socket ended is handled after it, unless the client has lost its right to act. */
describe('what a client sent before its socket ended', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    const env = { WS_MAX_CONNECTIONS_PER_SESSION: '50', WS_MAX_CONNECTIONS_PER_USER: '50' };
    cluster = await startCluster({ nodes: 1, env: { ...env, FLAG_LEGACY_FIRST_MESSAGE: 'true' } });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterAll(() => cluster?.stop());

  /** A conversation, frames that put numbered questions into it, and which of them were stored. */
  async function aTarget(owner = user) {
    const { id } = await createConversation(node, owner);
    const send = (number: number) =>
      frame('message.send', { conversation_id: id, client_message_id: randomUUID(), content: `#${number}` });
    const sends = (count: number) => Array.from({ length: count }, (_, index) => send(index + 1));
    const stored = async () => {
      const rows = await cluster.sql<{ content: string }>(
        "SELECT content FROM messages WHERE conversation_id = $1 AND role = 'user' ORDER BY seq",
        [id],
      );
      return rows.map(({ content }) => content);
    };
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => `#${index + 1}`);
    const allStored = (count: number) =>
      eventually(async () => (await stored()).length >= count, `${count} stored messages`);
    return { id, send, sends, stored, numbers, allStored };
  }

  const dial = async (first?: Buffer, owner = user, client_id?: string) =>
    RawSocket.open(node, { ticket: (await mintTicket(node, owner, { client_id })).ticket }, first);

  it('is handled when its close comes in the same packet, which is answered at once', async () => {
    const target = await aTarget();
    const raw = await dial();
    raw.write(frame('ping'), target.send(1), closeFrame(1000, 'bye'));
    expect(await raw.closes()).toEqual({ code: 1000, reason: 'bye' });
    await target.allStored(1);
  });

  it('is handled in order, all of it', async () => {
    const target = await aTarget();
    const raw = await dial();
    raw.write(...target.sends(5), closeFrame(1001));
    expect((await raw.closes()).code).toBe(1001);
    await target.allStored(5);
    expect(await target.stored()).toEqual(target.numbers(5));
    expect(raw.frames.map(({ type }) => type)).toEqual(['ready']);
  });

  it('is handled when it came with the handshake', async () => {
    const target = await aTarget();
    await dial(Buffer.concat([...target.sends(3), closeFrame(1000)]));
    await target.allStored(3);
    expect(await target.stored()).toEqual(target.numbers(3));
  });

  it.each<[string, (raw: RawSocket) => void]>([
    ['its side of the connection without a close frame', (raw) => raw.socket.end()],
    ['the connection with a reset', (raw) => raw.socket.resetAndDestroy()],
  ])('is handled when it ends %s', async (_how, end) => {
    const target = await aTarget();
    const raw = await dial();
    await new Promise((written) => raw.socket.write(Buffer.concat(target.sends(5)), written));
    end(raw);
    await target.allStored(5);
    expect(await target.stored()).toEqual(target.numbers(5));
  });

  it.each<[string, number, Buffer]>([
    ['a binary frame', 1003, clientFrame('x', { opcode: 2 })],
    ['a frame that is too large', 1009, clientFrame('x', { length: 1n << 40n })],
    ['broken framing', 1002, clientFrame('', { reserved: 4 })],
  ])('is handled when %s comes behind it, and what follows is not', async (_what, code, bad) => {
    const target = await aTarget();
    const raw = await dial();
    raw.write(...target.sends(2), bad, target.send(3));
    expect((await raw.closes()).code).toBe(code);
    await target.allStored(2);
    expect(await target.stored()).toEqual(target.numbers(2));
    raw.destroy();
  });

  it('is not handled behind the frame for which the socket was closed with 4400', async () => {
    const target = await aTarget();
    const raw = await dial();
    const bad = Array.from({ length: 4 }, () => clientFrame('no frame'));
    raw.write(target.send(1), ...bad, target.send(2), closeFrame(1000));
    await target.allStored(1);
    const later = await aTarget();
    const next = await dial();
    next.write(later.send(1), closeFrame(1000));
    await later.allStored(1);
    expect(await target.stored()).toEqual(['#1']);
  });

  it('is handled when a newer socket of the same client replaced it', async () => {
    const target = await aTarget();
    const raw = await dial(undefined, user, 'tab');
    raw.write(...target.sends(50));
    await eventually(() => raw.frames.some(({ type }) => type === 'message.accepted'), 'the first answer');
    const next = await TestSocket.open(node, user, { client_id: 'tab' });
    expect((await raw.closes()).code).toBe(4409);
    await target.allStored(50);
    expect(await target.stored()).toEqual(target.numbers(50));
    raw.destroy();
    await next.close();
  });

  it('is handled when its node stops, before the node ends', async () => {
    const leaving = await cluster.addNode({ DRAIN_SECONDS: '0' });
    const target = await aTarget();
    const raw = await RawSocket.open(leaving, { ticket: (await mintTicket(leaving, user)).ticket });
    raw.write(...target.sends(30));
    await eventually(() => raw.frames.some(({ type }) => type === 'message.accepted'), 'the first answer');
    leaving.signal('SIGTERM');
    expect((await raw.closes()).code).toBe(1012);
    raw.write(closeFrame(1012));
    expect(await leaving.exited).toMatchObject({ code: 0 });
    expect(await target.stored()).toEqual(target.numbers(30));
  });

  it('is not handled once its session has ended', async () => {
    const owner = await aUser(cluster);
    const target = await aTarget(owner);
    const raw = await dial(undefined, owner);
    raw.write(...target.sends(200), closeFrame(1000));
    await raw.closes();
    await as(owner, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    // One that was being stored while the session ended may still appear.
    const known = (await target.stored()).length;
    const isRefused = ({ path, user_id }: Record<string, unknown>) =>
      path === 'frame' && user_id === owner.user.id;
    await eventually(() => node.logged('auth.refused').some(isRefused), 'the refusal of the next one');
    const stored = await target.stored();
    expect(stored.length).toBeLessThanOrEqual(Math.min(199, known + 1));
    expect(stored).toEqual(target.numbers(stored.length));
  });

  it('renews its session’s ticket as ever, and goes on', async () => {
    const target = await aTarget();
    const { ticket, ticket_id } = await mintTicket(node, user, { purpose: 'refresh' });
    const raw = await dial();
    raw.write(frame('auth.refresh', { ticket }), target.send(1), closeFrame(1000));
    await target.allStored(1);
    const { body } = await as<Receipt>(user, 'GET', `${node.url}/websocket/tickets/${ticket_id}`);
    expect(body.state).toBe('consumed');
  });

  it('is not handled behind a refresh ticket that is not its own', async () => {
    const target = await aTarget();
    const { ticket } = await mintTicket(node, await aUser(cluster), { purpose: 'refresh' });
    const raw = await dial();
    raw.write(target.send(1), frame('auth.refresh', { ticket }), target.send(2), closeFrame(1000));
    await target.allStored(1);
    const later = await aTarget();
    const next = await dial();
    next.write(later.send(1), closeFrame(1000));
    await later.allStored(1);
    expect(await target.stored()).toEqual(['#1']);
  });

  it('is handled when its credential came in the first message', async () => {
    const target = await aTarget();
    const first = { type: 'initial', token: user.accessToken };
    const raw = await RawSocket.open(node, {});
    raw.write(clientFrame(JSON.stringify(first)), ...target.sends(3), closeFrame(1000));
    await target.allStored(3);
    expect(await target.stored()).toEqual(target.numbers(3));
    const wrong = await RawSocket.open(node, {});
    const other = { type: 'initial', token: `${user.accessToken.slice(0, -8)}AAAAAAAA` };
    wrong.write(clientFrame(JSON.stringify(other)), target.send(4), closeFrame(1000));
    await eventually(
      () => node.logged('auth.refused').some(({ path }) => path === 'first_message'),
      'the refusal of a token',
    );
    expect(await target.stored()).toEqual(target.numbers(3));
  });

  it('is in the history that its user reads afterwards', async () => {
    const target = await aTarget();
    const raw = await dial();
    raw.write(target.send(1), closeFrame(1000));
    await target.allStored(1);
    const socket = await TestSocket.open(node, user);
    expect((await history({ user, id: target.id, socket, node }))[0]).toMatchObject({ content: '#1' });
    await socket.close();
  });
});
