import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedTicket, Receipt } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { TEST_ORIGIN } from './support/node.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import type { RawUpgrade } from './support/raw-upgrade.js';
import { dump, withRedis } from './support/redis.js';
import { rememberSecret } from './support/secrets.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const digestOf = (ticket: string) => createHash('sha256').update(ticket).digest('hex');

describe('a ticket', () => {
  let cluster: Cluster;
  let node: TestNode;
  /** A node with low limits, whose tickets live five seconds. */
  let strict: TestNode;
  let user: TestUser;
  let stranger: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env: { WS_MAX_CONNECTIONS_PER_SESSION: '100' } });
    node = cluster.node;
    strict = await cluster.addNode({
      WS_TICKET_TTL_SECONDS: '5',
      LIMIT_TICKETS_PER_USER_PER_MINUTE: '30',
      LIMIT_TICKETS_OUTSTANDING_PER_USER: '20',
    });
    [user, stranger] = [await aUser(cluster), await aUser(cluster)];
  });

  afterAll(() => cluster.stop());

  const receiptOf = async (ticketId: string, owner = user) =>
    (await as<Receipt>(owner, 'GET', `${node.url}/websocket/tickets/${ticketId}`, { expect: 200 })).body;

  /** Expects a refusal: the response says only `ticket_rejected`, the receipt has the cause, the ticket is gone. */
  async function expectRejection(minted: IssuedTicket, dial: RawUpgrade, code: string): Promise<void> {
    const answer = await rawUpgrade(node, { ...dial, ticket: minted.ticket });
    expect({ status: answer.status, code: answer.problem().code }).toEqual({
      status: 403,
      code: 'ticket_rejected',
    });
    expect(await receiptOf(minted.ticket_id)).toEqual({
      ticket_id: minted.ticket_id,
      state: 'rejected',
      code,
      at: expect.any(String),
    });
    expect(await withRedis(cluster, (redis) => redis.exists(`ws_ticket:${digestOf(minted.ticket)}`))).toBe(0);
  }

  it('is minted without a body, whatever Content-Type the request has', async () => {
    const headers = { 'content-type': 'application/json' };
    const answer = await request<IssuedTicket>('POST', `${node.url}/websocket/ticket`, {
      token: user.accessToken,
      headers,
      expect: 201,
    });
    rememberSecret(answer.body.ticket);
  });

  it('is 32 random bytes, valid for 30 seconds, returned once and never cached', async () => {
    const { url } = node;
    const answer = await as<IssuedTicket>(user, 'POST', `${url}/websocket/ticket`, { expect: 201 });
    const { body } = answer;
    expect(body).toEqual({
      ticket: expect.stringMatching(/^[\w-]{43}$/),
      ticket_id: expect.stringMatching(/^tkt_[\w-]+$/),
      expires_in: 30,
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      url: `${node.wsUrl}/ws`,
      protocol: 'chat.v1',
      server_time: expect.any(String),
    });
    expect(Buffer.from(body.ticket, 'base64url')).toHaveLength(32);
    expect(Date.parse(body.expires_at) - Date.parse(body.server_time)).toBe(30_000);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('ratelimit')).toMatch(/^"tickets";r=\d+;t=\d+$/);
    expect(answer.headers.get('ratelimit-policy')).toMatch(/^"tickets";q=\d+;w=60$/);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('is stored in Redis only as a digest, with everything that it is bound to, for 30 seconds', async () => {
    const { id } = await createConversation(node, user);
    const bindings = { conversation_id: id, client_id: 'tab-1', purpose: 'connect' as const };
    const { ticket, ticket_id } = await mintTicket(node, user, { ...bindings, origin: TEST_ORIGIN });
    await withRedis(cluster, async (redis) => {
      const key = `ws_ticket:${digestOf(ticket)}`;
      expect(await redis.pttl(key)).toBeGreaterThan(25_000);
      expect(await redis.pttl(key)).toBeLessThanOrEqual(30_000);
      const record = JSON.parse((await redis.get(key)) ?? '') as Record<string, unknown>;
      expect(record).toMatchObject({
        ...bindings,
        ticket_id,
        origin: TEST_ORIGIN,
        user_id: user.user.id,
        session_id: user.sessionId,
      });
      expect(Number(record.expires_at) - Number(record.issued_at)).toBe(30_000);
      for (const [name, text] of await dump(redis)) expect(name + text).not.toContain(ticket);
    });
  });

  it('opens one socket, and its receipt tells which one, and later how that ended', async () => {
    const minted = await mintTicket(node, user);
    expect(await receiptOf(minted.ticket_id)).toMatchObject({ state: 'pending' });
    const socket = await TestSocket.connect(strict, { ticket: minted.ticket });
    const { data } = await socket.next('ready');
    const consumed = await eventually(async () => {
      const receipt = await receiptOf(minted.ticket_id);
      return receipt.state === 'consumed' && receipt;
    }, 'the receipt of a used ticket');
    expect(consumed.connection_id).toBe(data.connection_id);
    const life = await withRedis(cluster, (redis) => redis.ttl(`ws_ticket_receipt:${minted.ticket_id}`));
    expect(life).toBeGreaterThan(290);
    expect(life).toBeLessThanOrEqual(300);
    await socket.close();
    const closed = await eventually(
      async () => (await receiptOf(minted.ticket_id)).close,
      'the close in the receipt',
    );
    expect(closed.code).toBe(1000);
    const rest = await withRedis(cluster, (redis) => redis.ttl(`ws_ticket_receipt:${minted.ticket_id}`));
    expect(rest).toBeGreaterThan(0);
    expect(rest).toBeLessThanOrEqual(life);
  });

  it('is refused a second time on any node, and the first socket stays open', async () => {
    const minted = await mintTicket(node, user);
    const socket = await TestSocket.connect(node, { ticket: minted.ticket });
    await socket.next('ready');
    for (const target of [node, strict, node]) {
      const answer = await rawUpgrade(target, { ticket: minted.ticket });
      expect(answer.status).toBe(403);
      expect(answer.problem().code).toBe('ticket_rejected');
    }
    expect((await socket.send('ping', {})).type).toBe('pong');
    expect((await receiptOf(minted.ticket_id)).state).toBe('consumed');
    await socket.close();
  });

  it('is refused by the node that saw it used, even when it came back in Redis', async () => {
    const minted = await mintTicket(node, user);
    const key = `ws_ticket:${digestOf(minted.ticket)}`;
    const record = await withRedis(cluster, (redis) => redis.get(key));
    expect((await rawUpgrade(node, { ticket: minted.ticket })).status).toBe(101);
    // As after a failover to a replica that had not received the use.
    await withRedis(cluster, (redis) => redis.set(key, record ?? '', 'EX', 30));
    expect((await rawUpgrade(node, { ticket: minted.ticket })).status).toBe(403);
    expect((await receiptOf(minted.ticket_id)).state).toBe('consumed');
  });

  it('is bound to the origin of its mint, if there was one', async () => {
    await expectRejection(
      await mintTicket(node, user, { origin: TEST_ORIGIN }),
      { origin: node.url },
      'ticket_binding_origin',
    );
    await expectRejection(await mintTicket(node, user, { origin: TEST_ORIGIN }), {}, 'ticket_binding_origin');
    const { ticket } = await mintTicket(node, user, { origin: TEST_ORIGIN });
    expect((await rawUpgrade(node, { ticket, origin: TEST_ORIGIN })).status).toBe(101);
  });

  it('is bound to its conversation, if it was minted for one', async () => {
    const [one, two] = [await createConversation(node, user), await createConversation(node, user)];
    const bound = () => mintTicket(node, user, { conversation_id: one.id });
    expect((await bound()).url).toBe(`${node.wsUrl}/ws/conversations/${one.id}`);
    await expectRejection(
      await bound(),
      { path: `/ws/conversations/${two.id}` },
      'ticket_binding_conversation',
    );
    await expectRejection(await bound(), { path: '/ws' }, 'ticket_binding_path');
    const { ticket } = await bound();
    expect((await rawUpgrade(node, { ticket, path: `/ws/conversations/${one.id}` })).status).toBe(101);
  });

  it('opens no conversation of somebody else and no missing one, with the same response for both', async () => {
    const theirs = await createConversation(node, stranger);
    for (const id of [theirs.id, '11111111-1111-4111-8111-111111111111', 'not-an-id', '%00']) {
      const minted = await mintTicket(node, user);
      await expectRejection(minted, { path: `/ws/conversations/${id}` }, 'conversation_not_found');
    }
    const mint = (id: string) =>
      as(user, 'POST', `${node.url}/websocket/ticket`, { body: { conversation_id: id } });
    const answers = [await mint(theirs.id), await mint('11111111-1111-4111-8111-111111111111')];
    const problems = answers.map(({ status, body }) => ({ status, ...(body as object), trace_id: '' }));
    expect(problems[0]).toEqual(problems[1]);
    expect(problems[0]).toMatchObject({ status: 404, code: 'conversation_not_found' });
  });

  it('is bound to its client, if the upgrade names one', async () => {
    const bound = () => mintTicket(node, user, { client_id: 'tab-1' });
    await expectRejection(await bound(), { path: '/ws?client_id=tab-2' }, 'ticket_binding_client');
    const { ticket } = await bound();
    const socket = await TestSocket.connect(node, { ticket, path: '/ws?client_id=tab-1' });
    expect((await socket.next('ready')).data.client_id).toBe('tab-1');
    await socket.close();
  });

  it('opens no socket when its purpose is to renew one', async () => {
    const minted = await mintTicket(node, user, { purpose: 'refresh' });
    await expectRejection(minted, {}, 'ticket_binding_path');
  });

  it('dies with its session', async () => {
    const brief = await aUser(cluster);
    const minted = await mintTicket(node, brief);
    await as(brief, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    const answer = await rawUpgrade(node, { ticket: minted.ticket });
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
  });

  it('opens nothing when its session is gone and nobody burnt it', async () => {
    const brief = await aUser(cluster);
    const minted = await mintTicket(node, brief);
    await withRedis(cluster, (redis) => redis.del(`chat_session:${brief.user.id}:${brief.sessionId}`));
    expect((await rawUpgrade(node, { ticket: minted.ticket })).status).toBe(403);
    const owner = await signIn(node, brief.email, brief.password);
    const receipt = await receiptOf(minted.ticket_id, owner);
    expect(receipt).toMatchObject({ state: 'rejected', code: 'session_expired' });
  });

  it('is refused after its own expiry, even when its key in Redis lives longer', async () => {
    const minted = await mintTicket(node, user);
    await withRedis(cluster, async (redis) => {
      const key = `ws_ticket:${digestOf(minted.ticket)}`;
      const record = JSON.parse((await redis.get(key)) ?? '') as object;
      await redis.set(key, JSON.stringify({ ...record, expires_at: Date.now() - 1 }), 'EX', 300);
    });
    expect((await rawUpgrade(node, { ticket: minted.ticket })).status).toBe(403);
    expect(await receiptOf(minted.ticket_id)).toMatchObject({ state: 'expired', code: 'ticket_expired' });
  });

  it('expires when nobody uses it in time', async () => {
    const minted = await mintTicket(strict, user);
    expect(minted.expires_in).toBe(5);
    const receipt = await eventually(async () => {
      const now = await receiptOf(minted.ticket_id);
      return now.state !== 'pending' && now;
    }, 'the end of an unused ticket');
    expect(receipt).toMatchObject({ state: 'expired', code: 'ticket_expired', at: minted.expires_at });
    expect((await rawUpgrade(node, { ticket: minted.ticket })).status).toBe(403);
  });

  it('can be burnt by its owner and shown to its owner, and to nobody else', async () => {
    const minted = await mintTicket(node, user);
    const path = `${node.url}/websocket/tickets/${minted.ticket_id}`;
    for (const method of ['GET', 'DELETE']) {
      const answer = await as<{ code: string }>(stranger, method, path);
      expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
    }
    await as(user, 'DELETE', path, { expect: 204 });
    expect((await rawUpgrade(node, { ticket: minted.ticket })).status).toBe(403);
    expect(await receiptOf(minted.ticket_id)).toMatchObject({ state: 'revoked' });
    expect((await as(stranger, 'GET', path)).status).toBe(404);
    for (const id of ['tkt_', 'tkt_AAAAAAAAAAAAAAAAAAAA', '..%2Fauth', '%00', 'x'.repeat(90)]) {
      expect((await as(user, 'GET', `${node.url}/websocket/tickets/${id}`)).status).toBe(404);
    }
  });

  it('is not burnt by a near miss', async () => {
    const { ticket, ticket_id } = await mintTicket(node, user);
    const swapped = [...ticket].map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()));
    const misses = [
      ticket.slice(0, -1),
      `${ticket}A`,
      `${ticket}=`,
      `${ticket.slice(0, -1)}${ticket.endsWith('A') ? 'B' : 'A'}`,
      swapped.join(''),
      digestOf(ticket),
      ticket_id,
      '%00',
      '*',
      '',
    ];
    for (const miss of misses) {
      const answer = await rawUpgrade(node, { ticket: miss });
      expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
    }
    expect((await rawUpgrade(node, { ticket })).status).toBe(101);
  });

  it('is given out 30 times a minute to one user, without limiting other users', async () => {
    const [eager, other] = [await aUser(cluster), await aUser(cluster)];
    for (let count = 0; count < 30; count++) {
      const { ticket_id } = await mintTicket(strict, eager);
      await as(eager, 'DELETE', `${strict.url}/websocket/tickets/${ticket_id}`, { expect: 204 });
    }
    const held = () => withRedis(cluster, async (redis) => (await redis.keys('ws_ticket:*')).length);
    const before = await held();
    const answer = await as<{ code: string }>(eager, 'POST', `${strict.url}/websocket/ticket`);
    expect(await held()).toBeLessThanOrEqual(before);
    expect([answer.status, answer.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.headers.get('ratelimit')).toMatch(/^"tickets";r=0;t=\d+$/);
    await mintTicket(strict, other);
  });

  it('is given out while fewer than 20 of the user’s are unused', async () => {
    const hoarder = await aUser(cluster);
    const minted = await Promise.all(Array.from({ length: 20 }, () => mintTicket(strict, hoarder)));
    const mint = () => as<{ code: string }>(hoarder, 'POST', `${strict.url}/websocket/ticket`);
    const refused = await mint();
    expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(5);
    const spent = await rawUpgrade(strict, { ticket: minted[0]?.ticket });
    expect(spent.status).toBe(101);
    expect(
      (
        await eventually(
          async () => {
            const answer = await mint();
            return answer.status === 201 && answer;
            // Long before the other tickets expire.
          },
          'a place for one more ticket',
          2000,
        )
      ).status,
    ).toBe(201);
  });

  it.each([
    ['a conversation id that is not a UUID', { conversation_id: 'x' }],
    ['a client id with a space', { client_id: 'a b' }],
    ['a client id that is too long', { client_id: 'a'.repeat(65) }],
    ['an unknown purpose', { purpose: 'admin' }],
    ['a list', []],
  ])('is not given out for %s', async (_what, body) => {
    const answer = await as<{ code: string }>(user, 'POST', `${node.url}/websocket/ticket`, { body });
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
  });

  it('is never given out twice', async () => {
    const minted = await Promise.all(Array.from({ length: 50 }, () => mintTicket(node, user)));
    expect(new Set(minted.map(({ ticket }) => ticket)).size).toBe(50);
    expect(new Set(minted.map(({ ticket_id }) => ticket_id)).size).toBe(50);
  });

  it('takes its user from the token, whatever the request says', async () => {
    const body = { user_id: stranger.user.id, session_id: stranger.sessionId, email: stranger.email };
    const { ticket } = (await as<IssuedTicket>(user, 'POST', `${node.url}/websocket/ticket`, { body })).body;
    const socket = await TestSocket.connect(node, { ticket, path: `/ws?user_id=${stranger.user.id}` });
    expect((await socket.next('ready')).data.user).toEqual(user.user);
    await socket.close();
    expect((await request('POST', `${node.url}/websocket/ticket`, { body })).status).toBe(401);
  });
});
