import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { anAdmin, as, aUser, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

interface Page {
  entries: { id: number; at: string; event: string; user_id: string | null; hash: string }[];
  next_cursor?: string;
}

describe('GET /admin/audit', () => {
  let cluster: Cluster;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster();
    admin = await anAdmin(cluster);
    user = await aUser(cluster);
    for (const node of [cluster.node, cluster.other, cluster.node]) await mintTicket(node, user);
    await eventually(async () => (await read(own)).entries.length === 3, 'three rows');
  });

  afterAll(() => cluster.stop());

  const own = () => `event=ticket.issued&user_id=${user.user.id}`;
  const read = async (query: () => string): Promise<Page> => {
    const url = `${cluster.other.url}/admin/audit?${query()}`;
    return (await as<Page>(admin, 'GET', url, { expect: 200 })).body;
  };

  it('filters by event and user, newest first, on all nodes', async () => {
    const { entries } = await read(own);
    expect(entries.map(({ event }) => event)).toEqual(Array(3).fill('ticket.issued'));
    expect(entries.every(({ user_id }) => user_id === user.user.id)).toBe(true);
    const ids = entries.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((a, b) => b - a));
    expect(entries[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('returns all rows page by page', async () => {
    const all = (await read(() => 'limit=200')).entries.map(({ id }) => id).reverse();
    const found: number[] = [];
    let cursor: string | undefined = String((all.at(-1) ?? 0) + 1);
    while (cursor !== undefined) {
      const page = await read(() => `limit=2&cursor=${cursor}`);
      expect(page.entries.length).toBeLessThanOrEqual(2);
      found.push(...page.entries.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    expect(found.reverse()).toEqual(all);
  });

  it('filters by time', async () => {
    const { entries } = await read(own);
    const at = entries[1]?.at ?? '';
    const after = await read(() => `${own()}&after=${at}`);
    const before = await read(() => `${own()}&before=${at}`);
    const idsOf = (list: typeof entries) => list.map(({ id }) => id);
    // Two rows may have the same millisecond: neither is before the other.
    expect(idsOf(after.entries)).toEqual(idsOf(entries.filter((entry) => entry.at > at)));
    expect(idsOf(before.entries)).toEqual(idsOf(entries.filter((entry) => entry.at < at)));
    expect(after.entries.length + before.entries.length).toBeLessThan(entries.length);
  });

  it.each(['limit=0', 'limit=201', 'cursor=x', 'user_id=x', 'after=yesterday', 'event=%00'])(
    'refuses %s',
    async (query) => {
      const answer = await as(admin, 'GET', `${cluster.node.url}/admin/audit?${query}`);
      expect(answer.status).toBe(400);
    },
  );
});
