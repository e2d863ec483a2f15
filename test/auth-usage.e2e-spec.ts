import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { as, anAdmin, aUser } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

interface Paths {
  since: string | null;
  paths: { path: string; accepted: number; refused: number; last_used_at: string | null }[];
}

interface LegacyUsage {
  since: string | null;
  usage: { method: string; client: string; count: number; last_used_at: string }[];
}

describe('the reports on authentication paths', () => {
  let cluster: Cluster;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ env: { FLAG_LEGACY_QUERY_TOKEN: 'true' } });
    admin = await anAdmin(cluster);
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  const pathsAt = async (node: TestNode) =>
    (await as<Paths>(admin, 'GET', `${node.url}/admin/auth/paths`, { expect: 200 })).body;
  const pathAt = async (node: TestNode, path: string) =>
    (await pathsAt(node)).paths.find((one) => one.path === path)!;
  const legacyAt = async (node: TestNode) =>
    (await as<LegacyUsage>(admin, 'GET', `${node.url}/admin/auth/legacy-usage`, { expect: 200 })).body;
  const refuse = (node: TestNode) =>
    request('POST', `${node.url}/auth/refresh`, { body: { refresh_token: 'made-up' }, expect: 401 });
  const dialOld = async (node: TestNode, client: string) => {
    const headers = { 'x-client-name': client };
    const answer = await rawUpgrade(node, { path: `/ws?token=${user.accessToken}`, headers });
    expect(answer.status).toBe(101);
  };

  it('show zero uses before the first one, and since when they count', async () => {
    expect(await pathAt(cluster.node, 'exchange')).toEqual({
      path: 'exchange',
      flag: 'legacy_token_formats',
      accepted: 0,
      refused: 0,
      last_used_at: null,
    });
    const { usage } = await legacyAt(cluster.node);
    expect(usage).toEqual([]);
    expect(Date.parse((await pathsAt(cluster.node)).since ?? '')).toBeLessThanOrEqual(Date.now());
  });

  it('add up what all nodes decide, and are the same on each node', async () => {
    const before = await pathAt(cluster.node, 'refresh');
    for (const node of [cluster.node, cluster.other, cluster.other]) await refuse(node);
    const refused = before.refused + 3;
    for (const node of cluster.nodes) {
      const told = async () => (await pathAt(node, 'refresh')).refused === refused;
      await eventually(told, 'what the other node counted', 2000);
    }
    const { last_used_at } = await pathAt(cluster.node, 'refresh');
    expect(Date.now() - Date.parse(last_used_at ?? '')).toBeLessThan(10_000);
  });

  it('tell which old methods were used, by which client, how often and when, on any node', async () => {
    await dialOld(cluster.node, 'ios');
    for (const node of cluster.nodes) await dialOld(node, 'web');
    const sorted = async (node: TestNode) =>
      (await legacyAt(node)).usage.sort((a, b) => a.client.localeCompare(b.client));
    for (const node of cluster.nodes) {
      const told = await eventually(
        async () => {
          const usage = await sorted(node);
          return usage.reduce((sum, { count }) => sum + count, 0) === 3 && usage;
        },
        'what the other node counted',
        2000,
      );
      expect(told).toEqual([
        { method: 'query_token', client: 'ios', count: 1, last_used_at: expect.stringMatching(/Z$/) },
        { method: 'query_token', client: 'web', count: 2, last_used_at: expect.stringMatching(/Z$/) },
      ]);
    }
  });

  it('keep the counts of a node that stops and of one that is killed', async () => {
    const [stopping, doomed] = [await cluster.addNode(), await cluster.addNode()];
    const before = (await pathAt(cluster.node, 'refresh')).refused;
    await refuse(stopping);
    await stopping.stop();
    expect((await pathAt(cluster.node, 'refresh')).refused).toBe(before + 1);
    await refuse(doomed);
    const told = async () => (await pathAt(cluster.node, 'refresh')).refused === before + 2;
    await eventually(told, 'what the doomed node counted', 2000);
    await doomed.kill();
    expect((await pathAt(await cluster.addNode(), 'refresh')).refused).toBe(before + 2);
  });

  it('keep what was counted while Redis did not answer', async () => {
    const { node } = cluster;
    const decided = () => metric(node, 'chat_auth_attempts_total', { path: 'http', outcome: 'refused' });
    const [before, decidedBefore] = [(await pathAt(node, 'http')).refused, await decided()];
    cluster.redis.kill('SIGSTOP');
    try {
      // A token's signature is checked without Redis.
      await Promise.all(
        Array.from({ length: 4 }, () => request('GET', `${node.url}/conversations`, { token: 'made-up' })),
      );
    } finally {
      cluster.redis.kill('SIGCONT');
    }
    const isReady = async () => (await request('GET', `${node.url}/health/ready`)).status === 200;
    await eventually(isReady, 'the node to be ready');
    const missed = (await decided()) - decidedBefore;
    expect(missed).toBeGreaterThan(0);
    // Counts that were being saved at that moment may be added twice.
    const told = async () => (await pathAt(node, 'http')).refused - before >= missed;
    await eventually(told, 'what was counted meanwhile');
  });
});
