import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { Flag } from '../protocol/resources.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { withRedis } from './support/redis.js';
import { anAdmin, as, aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** Contract: a change reaches every node in under a second. */
const FOLLOW_LIMIT_MS = 1000;
const ROUNDS = 15;
const DEFAULT = { enabled: false, percent: 100 };

interface AuditRow {
  event: string;
  user_id: string;
  fields: { flag: string; old: object; new: { percent: number }; reason?: string };
}

describe('a flag', () => {
  let cluster: Cluster;
  let node: TestNode;
  let other: TestNode;
  let admin: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ durableRedis: true, env: { FLAG_LEGACY_COOKIE: 'true' } });
    ({ node, other } = cluster);
    admin = await anAdmin(cluster);
  });

  afterAll(() => cluster?.stop());

  async function flagOn(where: TestNode, name: string): Promise<Flag> {
    const { body } = await as<{ flags: Flag[] }>(admin, 'GET', `${where.url}/admin/flags`, { expect: 200 });
    const found = body.flags.find((flag) => flag.name === name);
    if (found === undefined) throw new Error(`no flag ${name} in ${JSON.stringify(body)}`);
    return found;
  }

  function put<Body = Flag>(where: TestNode, name: string, body: unknown, by: TestUser = admin) {
    return as<Body>(by, 'PUT', `${where.url}/admin/flags/${name}`, { body });
  }

  const isOn = (where: TestNode, flag: string) => metric(where, 'chat_flag_enabled', { flag });

  const rowsAbout = (flag: string) =>
    cluster.sql<AuditRow>(
      "SELECT event, user_id, fields FROM audit_log WHERE fields->>'flag' = $1 AND event LIKE 'flag.%' ORDER BY id",
      [flag],
    );

  it('is one of a closed list, each with its default, its purpose and the day of its removal', async () => {
    const { body } = await as<{ flags: Flag[] }>(admin, 'GET', `${node.url}/admin/flags`, { expect: 200 });
    expect(body.flags.map(({ name, enabled, source }) => [name, enabled, source])).toEqual([
      ['legacy_authorization_header', false, 'default'],
      ['legacy_subprotocol', false, 'default'],
      ['legacy_query_token', false, 'default'],
      // Set by the settings of this cluster.
      ['legacy_cookie', true, 'default'],
      ['legacy_session_id', false, 'default'],
      ['legacy_first_message', false, 'default'],
      ['legacy_token_formats', false, 'default'],
      ['ticket_required', false, 'default'],
    ]);
    for (const flag of body.flags) {
      expect(flag.description.length).toBeGreaterThan(10);
      expect(flag.remove_after).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(flag).not.toHaveProperty('updated_by');
      expect(await isOn(node, flag.name)).toBe(flag.enabled ? 1 : 0);
    }
  });

  it('that is changed on one node is changed on the other within a second, with the author and the time', async () => {
    const before = Date.now();
    const { status, body } = await put(node, 'legacy_query_token', { enabled: true });
    expect(status).toBe(200);
    expect(await flagOn(node, 'legacy_query_token')).toEqual(body);
    const seen = await eventually(
      async () => {
        const flag = await flagOn(other, 'legacy_query_token');
        return flag.enabled && flag;
      },
      'the change on the other node',
      FOLLOW_LIMIT_MS,
    );
    expect(seen).toEqual(body);
    expect(body).toMatchObject({
      enabled: true,
      percent: 100,
      default: DEFAULT,
      source: 'runtime',
      updated_by: admin.user.id,
    });
    expect(Date.parse(body.updated_at ?? '')).toBeGreaterThanOrEqual(before);
    for (const where of [node, other]) {
      await eventually(async () => (await isOn(where, 'legacy_query_token')) === 1, 'the metric');
    }
  });

  it('is pushed to the nodes, not only polled', async () => {
    let enabled = true;
    const roundMs = async () => {
      enabled = !enabled;
      await put(node, 'legacy_query_token', { enabled });
      const start = Date.now();
      const arrived = async () => (await flagOn(other, 'legacy_query_token')).enabled === enabled;
      await eventually(arrived, 'the change', FOLLOW_LIMIT_MS);
      return Date.now() - start;
    };
    // Polling alone, twice a second, would take 250 ms on average; on a busy machine there is more than one try.
    await eventually(async () => {
      let sum = 0;
      for (let round = 0; round < ROUNDS; round++) sum += await roundMs();
      return sum / ROUNDS < 150;
    }, 'fifteen changes in less than 150 ms each');
  });

  it('reaches every node within a second when the message about it is lost', async () => {
    const record = {
      enabled: true,
      percent: 100,
      updated_at: new Date().toISOString(),
      updated_by: 'nobody',
    };
    // As if written by a node whose message never arrived.
    await withRedis(cluster, (redis) =>
      redis.hset('node_flags', 'legacy_subprotocol', JSON.stringify(record)),
    );
    const areOn = async () =>
      (await isOn(node, 'legacy_subprotocol')) + (await isOn(other, 'legacy_subprotocol')) === 2;
    await eventually(areOn, 'the change on both nodes', FOLLOW_LIMIT_MS);
  });

  it('overrides the settings, and survives the restart of a node and of Redis', async () => {
    await put(node, 'legacy_cookie', { enabled: false });
    const restarted = await cluster.addNode();
    const expected = { enabled: false, source: 'runtime', default: { enabled: true, percent: 100 } };
    // At once: a node that served before it had read the flags would decide by its settings.
    expect(await flagOn(restarted, 'legacy_cookie')).toMatchObject(expected);
    await cluster.redis.stop();
    await cluster.redis.restart();
    await eventually(
      async () => (await as(admin, 'GET', `${node.url}/auth/me`)).status === 200,
      'Redis to be back',
    );
    expect(await flagOn(node, 'legacy_cookie')).toMatchObject(expected);
  });

  it('keeps its value while Redis is down, and follows changes again afterwards', async () => {
    await put(node, 'legacy_session_id', { enabled: true });
    const stale = () => node.logged('flag.stale').length;
    const staleBefore = stale();
    cluster.redis.kill('SIGSTOP');
    try {
      await eventually(() => stale() > staleBefore, 'the node to notice');
      expect(await isOn(node, 'legacy_session_id')).toBe(1);
      expect((await put<Problem>(node, 'legacy_session_id', { enabled: false })).status).toBe(503);
      expect(await isOn(node, 'legacy_session_id')).toBe(1);
    } finally {
      cluster.redis.kill('SIGCONT');
    }
    await eventually(
      async () => (await put(node, 'legacy_session_id', { enabled: false })).status === 200,
      'a change',
    );
    await eventually(async () => (await isOn(other, 'legacy_session_id')) === 0, 'the other node to follow');
  });

  it('is audited with the author, the old value, the new value and the reason', async () => {
    const reason = 'the last old client is gone (OPS-42)';
    await put(node, 'legacy_first_message', { enabled: true });
    await put(other, 'legacy_first_message', { enabled: false, reason });
    const rows = await eventually(async () => {
      const found = await rowsAbout('legacy_first_message');
      return found.length === 2 && found;
    }, 'two rows');
    const flag = 'legacy_first_message';
    const on = { enabled: true, percent: 100 };
    const about = { event: 'flag.changed', user_id: admin.user.id };
    expect(rows).toEqual(
      expect.arrayContaining([
        { ...about, fields: { flag, old: DEFAULT, new: on } },
        { ...about, fields: { flag, old: on, new: DEFAULT, reason } },
      ]),
    );
    // A line may be written a moment after its row.
    const lines = await eventually(() => {
      const found = other.logged('flag.changed');
      return found.length > 0 && found;
    }, 'the line');
    expect(lines).toEqual([
      expect.objectContaining({ flag, user_id: admin.user.id, old: on, new: DEFAULT, reason }),
    ]);
  });

  it('that many change at once has the value before that change in each row', async () => {
    const shares = Array.from({ length: 12 }, (_, index) => index + 1);
    await Promise.all(
      shares.map((percent) =>
        put(percent % 2 === 0 ? node : other, 'ticket_required', { enabled: true, percent }),
      ),
    );
    const rows = await eventually(async () => {
      const found = await rowsAbout('ticket_required');
      return found.length === shares.length && found;
    }, 'a row for each change');
    const replaced = rows.map(({ fields }) => JSON.stringify(fields.old));
    expect(new Set(replaced).size).toBe(shares.length);
    expect(replaced).toContain(JSON.stringify(DEFAULT));
    const last = shares.filter(
      (percent) => !rows.some(({ fields }) => (fields.old as { percent: number }).percent === percent),
    );
    expect(last).toHaveLength(1);
    for (const where of [node, other]) {
      await eventually(
        async () => (await flagOn(where, 'ticket_required')).percent === last[0],
        'both nodes to agree',
        FOLLOW_LIMIT_MS,
      );
    }
  });

  it('may not be seen or set by a user', async () => {
    const user = await aUser(cluster);
    const before = await flagOn(node, 'legacy_token_formats');
    const answers = [
      await as<Problem>(user, 'GET', `${node.url}/admin/flags`),
      await put<Problem>(node, 'legacy_token_formats', { enabled: true }, user),
      await put<Problem>(node, 'no_such_flag', { enabled: true }, user),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [403, 'forbidden'],
      [403, 'forbidden'],
      [403, 'forbidden'],
    ]);
    expect((await request('GET', `${node.url}/admin/flags`)).status).toBe(401);
    expect((await request('PUT', `${node.url}/admin/flags/legacy_cookie`, { body: {} })).status).toBe(401);
    expect(await flagOn(node, 'legacy_token_formats')).toEqual(before);
  });

  it.each(['no_such_flag', 'LEGACY_COOKIE', '__proto__', 'toString', 'legacy_cookie%00'])(
    'that does not exist gets a 404: %s',
    async (name) => {
      const { status, body } = await put<Problem>(node, name, { enabled: true });
      expect([status, body.code]).toEqual([404, 'not_found']);
    },
  );

  it.each<[string, string, unknown]>([
    ['no "enabled"', 'ticket_required', {}],
    ['"enabled" as text', 'ticket_required', { enabled: 'true' }],
    ['over 100 percent', 'ticket_required', { enabled: true, percent: 101 }],
    ['under 0 percent', 'ticket_required', { enabled: true, percent: -1 }],
    ['half a percent', 'ticket_required', { enabled: true, percent: 0.5 }],
    ['a percentage for a flag without one', 'legacy_cookie', { enabled: true, percent: 50 }],
    ['a reason with NUL', 'ticket_required', { enabled: true, reason: 'a\u0000b' }],
    ['a reason of 501 characters', 'ticket_required', { enabled: true, reason: 'x'.repeat(501) }],
    ['nothing', 'ticket_required', undefined],
  ])('is not set by a wrong request: %s', async (_what, name, body) => {
    const before = await flagOn(node, name);
    const answer = await put<Problem>(node, name, body);
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
    expect(await flagOn(node, name)).toEqual(before);
  });

  it('that is unreadable in Redis has its default, and is reported to operators once', async () => {
    await withRedis(cluster, (redis) => redis.hset('node_flags', 'legacy_token_formats', '{"enabled":'));
    const told = () => node.logged('flag.unreadable');
    await eventually(() => told().length > 0, 'the line about it');
    expect(await flagOn(node, 'legacy_token_formats')).toMatchObject({ enabled: false, source: 'default' });
    await put(node, 'legacy_token_formats', { enabled: true });
    expect(await flagOn(node, 'legacy_token_formats')).toMatchObject({ enabled: true, source: 'runtime' });
    expect(told()).toHaveLength(1);
    expect(told()[0]).toMatchObject({ severity: 'CRITICAL', flags: ['legacy_token_formats'] });
  });

  it('uses one field of one hash, however often it is set', async () => {
    const fields = await withRedis(cluster, (redis) => redis.hkeys('node_flags'));
    expect(fields.length).toBeLessThanOrEqual(8);
    expect(new Set(fields).size).toBe(fields.length);
  });

  it('with an unknown name in the settings prevents the start', async () => {
    await expect(cluster.addNode({ FLAG_LEGACY_COOKIES: 'true' })).rejects.toThrow(
      /FLAG_LEGACY_COOKIES: expected one of .*FLAG_LEGACY_COOKIE,/,
    );
  });
});
