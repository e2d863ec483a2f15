import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { SignIn } from '../protocol/resources.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import type { TestNode } from './support/node.js';
import { dump, withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, remembered } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const SHORT_GRACE_SECONDS = 2;

const refresh = <Body = Problem>(on: TestNode, refresh_token: string) =>
  request<Body>('POST', `${on.url}/auth/refresh`, { body: { refresh_token } });
const refreshed = async (on: TestNode, token: string) => {
  const answer = await refresh<SignIn>(on, token);
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 });
  return remembered(answer.body);
};
const isAlive = async (on: TestNode, user: Pick<TestUser, 'accessToken'>) =>
  (await as(user, 'GET', `${on.url}/auth/me`)).status === 200;

describe('a refresh token', () => {
  let cluster: Cluster;
  let node: TestNode;
  let other: TestNode;
  let brief: TestNode;
  let strict: TestNode;

  beforeAll(async () => {
    cluster = await startCluster();
    ({ node, other } = cluster);
    brief = await cluster.addNode({ REFRESH_GRACE_SECONDS: String(SHORT_GRACE_SECONDS) });
    strict = await cluster.addNode({ REFRESH_GRACE_SECONDS: '0' });
  });

  afterAll(() => cluster.stop());

  /** Expects a repetition to end the session: 401, sockets close with 4410, and all its tokens are invalid. */
  async function expectRevoked(on: TestNode, user: TestUser, token: string, newest: string): Promise<void> {
    const socket = await TestSocket.open(other, user);
    const answer = await refresh(on, token);
    expect([answer.status, answer.body.code]).toEqual([401, 'refresh_reused']);
    expect((await socket.next('session.revoked')).data).toEqual({ reason: 'refresh_reused' });
    expect(await socket.closes()).toEqual({ code: 4410, reason: 'session_revoked' });
    expect((await refresh(node, newest)).status).toBe(401);
    expect(await isAlive(node, user)).toBe(false);
  }

  it('whose answer was lost on the way may be sent again, and gets the same successor on any node', async () => {
    const user = await aUser(cluster);
    const lost = await refreshed(node, user.refreshToken);
    for (const on of [node, other]) {
      const again = await refreshed(on, user.refreshToken);
      expect(again.refreshToken).toBe(lost.refreshToken);
      expect(again.sessionId).toBe(user.sessionId);
      expect(await isAlive(other, again)).toBe(true);
    }
    const next = await refreshed(other, lost.refreshToken);
    expect(next.refreshToken).not.toBe(lost.refreshToken);
    expect(await isAlive(node, next)).toBe(true);
  });

  it('is used by 12 at one moment on two nodes, and each gets the same successor', async () => {
    const user = await aUser(cluster);
    // Redis makes all of them wait and then answers one after the other.
    await withRedis(cluster, (redis) => redis.client('PAUSE', 200, 'ALL'));
    const uses = Array.from({ length: 12 }, (_, index) =>
      refreshed(index % 2 === 0 ? node : other, user.refreshToken),
    );
    const successors = new Set((await Promise.all(uses)).map(({ refreshToken }) => refreshToken));
    expect(successors.size).toBe(1);
    const [successor = ''] = successors;
    expect(await isAlive(node, await refreshed(node, successor))).toBe(true);
  });

  it('has a successor that is not stored in Redis and cannot be derived without the key', async () => {
    const user = await aUser(cluster);
    const { refreshToken } = await refreshed(node, user.refreshToken);
    const text = [...(await withRedis(cluster, dump))].flat().join('\n');
    for (const token of [user.refreshToken, refreshToken]) expect(text).not.toContain(token);
    const [one, two] = [await aUser(cluster), await aUser(cluster)];
    const random = async (token: string) => (await refreshed(node, token)).refreshToken.slice(-43);
    expect(await random(one.refreshToken)).not.toBe(await random(two.refreshToken));
  });

  it('ends the session when it is sent again after the grace', async () => {
    const user = await aUser(cluster);
    const usedMs = performance.now();
    const next = await refreshed(brief, user.refreshToken);
    expect((await refreshed(brief, user.refreshToken)).refreshToken).toBe(next.refreshToken);
    const isOver = () => performance.now() - usedMs > SHORT_GRACE_SECONDS * 1000 + 1000;
    await eventually(isOver, 'the end of the grace');
    await expectRevoked(brief, user, user.refreshToken, next.refreshToken);
  });

  it('does not extend the grace when it is sent again', async () => {
    const user = await aUser(cluster);
    const usedMs = performance.now();
    await refreshed(brief, user.refreshToken);
    const status = await eventually(async () => {
      const answer = await refresh(brief, user.refreshToken);
      return answer.status !== 200 && answer.status;
    }, 'the end of the grace');
    expect(status).toBe(401);
    expect(performance.now() - usedMs).toBeGreaterThan((SHORT_GRACE_SECONDS - 1) * 1000);
  });

  it('ends the session when it is sent again after its successor was used, within the grace', async () => {
    const user = await aUser(cluster);
    const second = await refreshed(node, user.refreshToken);
    const third = await refreshed(other, second.refreshToken);
    expect((await refreshed(node, second.refreshToken)).refreshToken).toBe(third.refreshToken);
    await expectRevoked(node, user, user.refreshToken, third.refreshToken);
  });

  it('ends the session when it is of an older generation', async () => {
    const user = await aUser(cluster);
    let newest = user.refreshToken;
    for (let rotation = 0; rotation < 4; rotation++) newest = (await refreshed(node, newest)).refreshToken;
    await expectRevoked(other, user, user.refreshToken, newest);
  });

  it('ends the session at any repetition when the grace is 0', async () => {
    const user = await aUser(cluster);
    const { refreshToken } = await refreshed(strict, user.refreshToken);
    await expectRevoked(strict, user, user.refreshToken, refreshToken);
  });

  it('gets at most one successor for 12 uses at one moment when the grace is 0, and ends the session', async () => {
    const user = await aUser(cluster);
    await withRedis(cluster, (redis) => redis.client('PAUSE', 200, 'ALL'));
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => refresh<SignIn>(strict, user.refreshToken)),
    );
    const given = answers.filter(({ status }) => status === 200).map(({ body }) => remembered(body));
    expect(new Set(given.map(({ refreshToken }) => refreshToken)).size).toBeLessThanOrEqual(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(12 - given.length);
    for (const holder of [user, ...given]) expect(await isAlive(node, holder)).toBe(false);
  });
});
