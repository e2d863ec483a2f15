import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';

const LIMIT = 20;
const WRONG_PASSWORDS = 10;

/** Sixty addresses in the IPv6 network of one customer. */
const OF_ONE_NETWORK = Array.from({ length: 60 }, (_, index) => `2001:db8:1:1::${(index + 1).toString(16)}`);

describe('limits per address', () => {
  let cluster: Cluster;
  let node: TestNode;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 0 });
    node = await cluster.addNode({
      TRUST_PROXY: '1',
      LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: String(LIMIT),
      LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: String(LIMIT),
      LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: String(WRONG_PASSWORDS / 10),
    });
  });
  afterAll(() => cluster?.stop());

  const asks = async (address: string) =>
    (await request('GET', `${node.url}/auth/me`, { headers: { 'x-forwarded-for': address } })).status;
  const dials = async (address: string) =>
    (await rawUpgrade(node, { headers: { 'X-Forwarded-For': address } })).status;
  const signsIn = async (address: string, email: string) =>
    (
      await request('POST', `${node.url}/auth/login`, {
        body: { email, password: 'not the password' },
        headers: { 'x-forwarded-for': address },
      })
    ).status;

  it('count requests from all addresses of an IPv6 /64 as those of one client', async () => {
    const statuses = [];
    for (const address of OF_ONE_NETWORK) statuses.push(await asks(address));
    expect(statuses.filter((status) => status === 401)).toHaveLength(LIMIT);
    expect(statuses.filter((status) => status === 429)).toHaveLength(OF_ONE_NETWORK.length - LIMIT);
    expect(await asks('2001:db8:1:2::1')).toBe(401);
  });

  it('count upgrades from an IPv6 /64 as those of one client, and in the metric of limits', async () => {
    const before = await metric(node, 'chat_rate_limited_total', { limit: 'upgrades' });
    const statuses = [];
    for (const address of OF_ONE_NETWORK) statuses.push(await dials(address));
    expect(statuses.filter((status) => status === 403)).toHaveLength(LIMIT);
    const refused = OF_ONE_NETWORK.length - LIMIT;
    expect(statuses.filter((status) => status === 429)).toHaveLength(refused);
    expect((await metric(node, 'chat_rate_limited_total', { limit: 'upgrades' })) - before).toBe(refused);
    expect(await dials('2001:db8:1:2::1')).toBe(403);
  });

  it('count wrong passwords from an IPv6 /64 as those of one client', async () => {
    const statuses = [];
    for (const [index, address] of OF_ONE_NETWORK.slice(0, WRONG_PASSWORDS + 2).entries())
      statuses.push(await signsIn(address.replace('db8:1:1', 'db8:1:3'), `nobody-${index}@example.test`));
    expect(statuses).toEqual([...Array.from({ length: WRONG_PASSWORDS }, () => 401), 429, 429]);
    expect(await signsIn('2001:db8:1:4::1', 'nobody@example.test')).toBe(401);
  });

  it('treat an IPv4 address written as IPv6 as the IPv4 address', async () => {
    for (let count = 0; count < LIMIT; count++) expect(await asks('192.0.2.7')).toBe(401);
    for (const spelling of ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:C000:207', '192.0.2.7:50123'])
      expect([spelling, await asks(spelling)]).toEqual([spelling, 429]);
    expect(await asks('::ffff:192.0.2.8')).toBe(401);
  });
});
