import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Problem } from '../protocol/errors.js';
import type { OwnSession, SignIn } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { withRedis } from './support/redis.js';
import { rememberSecret } from './support/secrets.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, remembered, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0';
const ROTATIONS = 50;

describe('a user', () => {
  let cluster: Cluster;
  let url: string;

  beforeAll(async () => {
    cluster = await startCluster();
    ({ url } = cluster.node);
  });

  afterAll(() => cluster.stop());

  async function listOf(user: TestUser): Promise<OwnSession[]> {
    const answer = await as<{ sessions: OwnSession[] }>(user, 'GET', `${url}/auth/sessions`, { expect: 200 });
    return answer.body.sessions;
  }

  const again = (user: TestUser) => signIn(cluster.other, user.email, user.password);
  const me = (user: TestUser) => as<Problem>(user, 'GET', `${url}/auth/me`);

  it('sees where it is signed in, from which device and when it was last used', async () => {
    const phone = await aUser(cluster);
    const body = { email: phone.email, password: phone.password };
    const options = { body, headers: { 'user-agent': FIREFOX }, expect: 200 };
    const desk = remembered((await request<SignIn>('POST', `${url}/auth/login`, options)).body);
    const key = `chat_session:${phone.user.id}:${phone.sessionId}`;
    await withRedis(cluster, (redis) => redis.expire(key, 1800 - 600));
    const sessions = await listOf({ ...phone, ...desk });
    expect(sessions.map(({ id, device, current }) => [id, device, current])).toEqual([
      [desk.sessionId, 'Firefox on Linux', true],
      [phone.sessionId, 'node', false],
    ]);
    const [own, other] = sessions.map((session) => Date.now() - Date.parse(session.last_seen_at));
    expect(own).toBeLessThan(5000);
    expect(Math.abs((other ?? 0) - 600_000)).toBeLessThan(5000);
    for (const { created_at } of sessions) expect(Date.now() - Date.parse(created_at)).toBeLessThan(10_000);
  });

  it('sees no session of anybody else, and none that has ended or expired', async () => {
    const user = await aUser(cluster);
    const ended = await again(user);
    const over = await again(user);
    await as(ended, 'POST', `${url}/auth/logout`, { expect: 204 });
    const old = await again(user);
    await withRedis(cluster, async (redis) => {
      await redis.del(`chat_session:${user.user.id}:${over.sessionId}`);
      const key = `chat_session:${user.user.id}:${old.sessionId}`;
      const record = JSON.parse((await redis.get(key)) ?? '') as object;
      await redis.set(key, JSON.stringify({ ...record, absolute_expires_at: Date.now() - 1 }), 'KEEPTTL');
    });
    expect((await listOf(user)).map(({ id }) => id)).toEqual([user.sessionId]);
  });

  it('ends one of its sessions: its socket on another node closes, its tokens are invalid', async () => {
    const user = await aUser(cluster);
    const other = await again(user);
    const socket = await TestSocket.open(cluster.other, other);
    const kept = await TestSocket.open(cluster.other, user);
    await as(user, 'DELETE', `${url}/auth/sessions/${other.sessionId}`, { expect: 204 });
    expect((await socket.next('session.revoked')).data.reason).toBe('signed_out_elsewhere');
    expect(await socket.closes(1000)).toEqual({ code: 4410, reason: 'session_revoked' });
    const body = { refresh_token: other.refreshToken };
    const answers = [await me(other), await request('POST', `${url}/auth/refresh`, { body })];
    expect(answers.map((answer) => [answer.status, answer.body.code])).toEqual([
      [401, 'session_revoked'],
      [401, 'session_revoked'],
    ]);
    expect((await kept.send('ping', {})).type).toBe('pong');
    const second = await as<Problem>(user, 'DELETE', `${url}/auth/sessions/${other.sessionId}`);
    expect([second.status, second.body.code]).toEqual([404, 'not_found']);
    await as(user, 'DELETE', `${url}/auth/sessions/${user.sessionId}`, { expect: 204 });
    expect((await kept.next('session.revoked')).data.reason).toBe('logout');
  });

  it('cannot end a session of somebody else, nor learn whether it exists', async () => {
    const [user, stranger] = [await aUser(cluster), await aUser(cluster)];
    const answers = [];
    for (const id of [stranger.sessionId, randomUUID(), 'x', '%00']) {
      const { status, body } = await as<Problem>(user, 'DELETE', `${url}/auth/sessions/${id}`);
      answers.push([status, body.code, body.detail]);
    }
    const none = [404, 'not_found', 'There is no such session of yours'];
    expect(answers).toEqual([none, none, none, none]);
    expect((await me(stranger)).status).toBe(200);
  });

  it('ends all its other sessions at once', async () => {
    const user = await aUser(cluster);
    const others = [await again(user), await again(user)];
    await as(user, 'DELETE', `${url}/auth/sessions`, { expect: 204 });
    const statuses = await Promise.all([user, ...others].map(async (one) => (await me(one)).status));
    expect(statuses).toEqual([200, 401, 401]);
    expect(await listOf(user)).toHaveLength(1);
  });

  describe('who changes the password', () => {
    const next = rememberSecret('a much better password 1');
    const change = (user: TestUser, current_password: string, new_password: string) =>
      as<Problem>(user, 'POST', `${url}/auth/password`, { body: { current_password, new_password } });

    it('stays signed in here and nowhere else, and signs in only with the new one', async () => {
      const user = await aUser(cluster);
      const other = await again(user);
      const sockets = [
        await TestSocket.open(cluster.other, user),
        await TestSocket.open(cluster.other, other),
      ];
      expect((await change(user, user.password, next)).status).toBe(204);
      expect((await sockets[1]?.next('session.revoked'))?.data.reason).toBe('password_changed');
      expect((await sockets[1]?.closes(1000))?.code).toBe(4410);
      expect((await sockets[0]?.send('ping', {}))?.type).toBe('pong');
      await expect(again(user)).rejects.toThrow('credentials_invalid');
      expect((await signIn(cluster.node, user.email, next)).user.id).toBe(user.user.id);
    });

    it('must prove the current one, and choose one that is neither short, long nor common', async () => {
      const user = await aUser(cluster);
      const other = await again(user);
      const answers = [
        await change(user, 'not the password', next),
        await change(user, user.password, 'x1'.repeat(5)),
        await change(user, user.password, 'x1'.repeat(65)),
        await change(user, user.password, 'password12345'),
      ];
      expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
        [401, 'credentials_invalid'],
        [400, 'validation_failed'],
        [400, 'validation_failed'],
        [400, 'validation_failed'],
      ]);
      expect((await me(other)).status).toBe(200);
      await again(user);
    });

    it('gets only one of two changes at the same time', async () => {
      const user = await aUser(cluster);
      const answers = await Promise.all([
        change(user, user.password, next),
        change(user, user.password, `${next} or another`),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 401]);
    });

    it('may try as often as it may sign in', async () => {
      const limited = await cluster.addNode({ LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: '3' });
      // The device is known from an earlier sign-in; each known device has its own limit.
      const user = await aUser(cluster);
      const path = `${limited.url}/auth/password`;
      const body = { current_password: 'not the password', new_password: next };
      const statuses: number[] = [];
      for (let count = 0; count < 4; count++) statuses.push((await as(user, 'POST', path, { body })).status);
      expect(statuses).toEqual([401, 401, 401, 429]);
    });
  });

  it(`keeps its sockets through ${ROTATIONS} refreshes of the session`, async () => {
    const user = await aUser(cluster);
    const sockets = [await TestSocket.open(cluster.node, user), await TestSocket.open(cluster.other, user)];
    let { refreshToken } = user;
    for (let count = 0; count < ROTATIONS; count++) {
      const node = count % 2 === 0 ? cluster.node : cluster.other;
      const body = { refresh_token: refreshToken };
      const answer = await request<SignIn>('POST', `${node.url}/auth/refresh`, { body, expect: 200 });
      ({ refreshToken } = remembered(answer.body));
    }
    for (const socket of sockets) {
      expect((await socket.send('ping', {})).type).toBe('pong');
      expect(socket.all('session.revoked')).toEqual([]);
    }
  });
});
