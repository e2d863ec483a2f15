import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freePort } from '../scripts/free-port.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { ensureDatabase } from '../scripts/engines/postgres-database.js';
import { runAdmin } from './support/admin-command.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { withRedis } from './support/redis.js';
import { rememberSecret } from './support/secrets.js';
import { TestSocket } from './support/socket.js';
import { anAdmin, as, aUser, createConversation, mintTicket, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

describe('npm run admin', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
  });

  afterAll(() => cluster.stop());

  const engines = () => ({ DATABASE_URL: cluster.databaseUrl, REDIS_URL: cluster.redisUrl });
  const admin = (args: string[], input = '') => runAdmin(args, { input, env: engines() });
  const newAddress = () => `admin-${randomBytes(6).toString('hex')}@example.test`;
  const newPassword = () => rememberSecret(randomBytes(12).toString('base64url'));
  const auditOf = (userId: string, event: string) =>
    cluster.sql<{ node: string; fields: unknown }>(
      'SELECT node, fields FROM audit_log WHERE user_id = $1 AND event = $2 ORDER BY id',
      [userId, event],
    );
  const roles = async (email: string) =>
    (await cluster.sql<{ role: string }>('SELECT role FROM users WHERE email = $1', [email])).map(
      ({ role }) => role,
    );

  async function created(): Promise<TestUser> {
    const [email, password] = [newAddress(), newPassword()];
    expect((await admin(['create-admin', email], `${password}\n`)).code).toBe(0);
    return signIn(cluster.node, email, password);
  }

  it('creates an administrator who signs in and sees the flags, and writes it to the audit log', async () => {
    const [email, password] = [newAddress(), newPassword()];
    const typed = email.replace('admin', 'Admin');
    expect(await admin(['create-admin', typed], `${password}\r\nnothing of this line\n`)).toEqual({
      code: 0,
      output: `${email} is created with the role admin`,
      errors: '',
    });
    const user = await signIn(cluster.node, email, password);
    expect(user.user).toMatchObject({ email, role: 'admin', display_name: email.split('@')[0] });
    await as(user, 'GET', `${cluster.node.url}/admin/flags`, { expect: 200 });
    expect(await auditOf(user.user.id, 'user.created')).toEqual([
      { node: expect.stringMatching(/^admin-command@/), fields: { by: 'cli', role: 'admin' } },
    ]);
  });

  it('refuses an address that has an account, without asking for a password', async () => {
    const { email } = await aUser(cluster);
    for (const address of [email, email.toUpperCase()]) {
      expect(await admin(['create-admin', address])).toEqual({
        code: 1,
        output: '',
        errors: `admin: ${email} has an account already`,
      });
    }
    expect(await roles(email)).toEqual(['user']);
  });

  it.each([
    ['of 11 characters', 'a1b2c3d4e5!', '"password" must have 12 to 128 characters, not 11'],
    ['of 129 characters', 'x1'.repeat(64) + 'y', '"password" must have 12 to 128 characters, not 129'],
    ['that is common', 'Password12345', '"password" is one of the most common ones, choose another'],
    ['that is common once it is normalized', 'e\u0301'.repeat(12), 'is one of the most common ones'],
    ['that is missing', '', 'expected a password in the first line of the input, got an empty line'],
  ])('refuses a password %s', async (_what, password, expected) => {
    const email = newAddress();
    const { code, errors } = await admin(['create-admin', email], `${password}\n`);
    expect([code, errors]).toEqual([1, expect.stringContaining(expected)]);
    expect(await roles(email)).toEqual([]);
  });

  it('exits with 2 for an invalid command, says what was expected and repeats no password', async () => {
    const { code, output, errors } = await admin(['create-admin', newAddress(), 'some-password']);
    expect([code, output]).toEqual([2, '']);
    expect(errors).toContain('expected "create-admin <address>", got 2 parameters after create-admin');
    expect(errors).not.toContain('some-password');
  });

  it('explains itself with --help, without any settings', async () => {
    const { code, output } = await runAdmin(['--help'], { env: {} });
    expect(code).toBe(0);
    for (const command of ['create-admin', 'set-role', 'disable', 'enable', 'revoke', 'list'])
      expect(output).toContain(`\n  ${command}`);
  });

  it.each(['revoke', 'set-role'])('%s says that there is no such account', async (command) => {
    const email = newAddress();
    const role = command === 'set-role' ? ['admin'] : [];
    expect(await admin([command, email, ...role])).toEqual({
      code: 1,
      output: '',
      errors: `admin: no account has the address ${email}`,
    });
  });

  /** A slow answer, another that waits for its turn, and a socket on the second node that watches both. */
  async function busy(user: TestUser) {
    const { id: conversation_id } = await createConversation(cluster.node, user);
    const socket = await TestSocket.open(cluster.other, user);
    for (const content of ['Count to 2000', 'Count to 3']) {
      const data = { conversation_id, client_message_id: randomUUID(), content };
      expect((await socket.send('message.send', data)).type).toBe('message.accepted');
    }
    await socket.next('message.delta');
    const statuses = async () => {
      const rows = await cluster.sql<{ status: string }>(
        'SELECT status FROM runs WHERE conversation_id = $1',
        [conversation_id],
      );
      return rows.map(({ status }) => status);
    };
    const areCancelled = async () => (await statuses()).join() === 'cancelled,cancelled';
    return { socket, areCancelled };
  }

  it('disables an account: sockets close with 4410, runs end, sign-ins are refused until it is enabled', async () => {
    const user = await aUser(cluster);
    const { socket, areCancelled } = await busy(user);
    const ticket = await mintTicket(cluster.node, user);
    const told = socket.next('session.revoked');
    const [{ code, output }] = await Promise.all([admin(['disable', user.email]), told]);
    expect([code, output]).toEqual([0, `${user.email} is disabled, its sessions have ended`]);
    expect((await told).data.reason).toBe('user_disabled');
    expect((await socket.closes(1000)).code).toBe(4410);
    await eventually(areCancelled, 'the end of both runs');
    const credentials = { body: { email: user.email, password: user.password } };
    const login = await request('POST', `${cluster.node.url}/auth/login`, credentials);
    expect([login.status, login.body.code]).toEqual([403, 'user_disabled']);
    const [changed] = await auditOf(user.user.id, 'user.changed');
    expect(changed?.fields).toEqual({ by: 'cli', disabled: true });
    const [session] = await auditOf(user.user.id, 'session.ended');
    expect(session?.fields).toEqual({ session_id: user.sessionId, reason: 'user_disabled' });

    expect((await admin(['enable', user.email])).output).toBe(`${user.email} is enabled`);
    const back = await signIn(cluster.node, user.email, user.password);
    const receipt = await as<{ state: string }>(
      back,
      'GET',
      `${cluster.node.url}/websocket/tickets/${ticket.ticket_id}`,
      { expect: 200 },
    );
    expect(receipt.body.state).toBe('revoked');
    expect((await auditOf(user.user.id, 'user.changed'))[1]?.fields).toEqual({ by: 'cli', disabled: false });
  });

  it('revokes an account: sockets close with 4410, runs end, and it may sign in again', async () => {
    const user = await aUser(cluster);
    const { socket, areCancelled } = await busy(user);
    const told = socket.next('session.revoked');
    const [{ code, output }] = await Promise.all([admin(['revoke', user.email]), told]);
    expect([code, output]).toEqual([0, `${user.email} is signed out everywhere`]);
    expect((await told).data.reason).toBe('admin');
    expect((await socket.closes(1000)).code).toBe(4410);
    await eventually(areCancelled, 'the end of both runs');
    expect((await auditOf(user.user.id, 'user.revoked'))[0]?.fields).toEqual({ by: 'cli' });
    await signIn(cluster.node, user.email, user.password);
  });

  it('changes a role: sockets close with 4100 and have the new role when they reconnect', async () => {
    const user = await aUser(cluster);
    const socket = await TestSocket.open(cluster.other, user);
    expect((await admin(['set-role', user.email, 'admin'])).output).toBe(`${user.email} has the role admin`);
    expect((await socket.closes(1000)).code).toBe(4100);
    await as(user, 'GET', `${cluster.other.url}/admin/flags`, { expect: 200 });
    expect((await auditOf(user.user.id, 'user.changed'))[0]?.fields).toEqual({ by: 'cli', role: 'admin' });
    expect((await admin(['set-role', user.email, 'user'])).code).toBe(0);
    const refused = await as<{ code: string }>(user, 'GET', `${cluster.other.url}/admin/flags`);
    expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
  });

  it('is never listed as a live node, however long it waits for the password', async () => {
    const living = () => withRedis(cluster, (redis) => redis.zrange('node_list', '0', '-1', 'WITHSCORES'));
    const [nodeA = '', beat = '', nodeB = '', , ...others] = await living();
    expect(others).toEqual([]);
    const seen = new Set([nodeA, nodeB]);
    // Nodes beat every second.
    const inputAfter = eventually(
      async () => {
        const list = await living();
        for (const [index, name] of list.entries()) if (index % 2 === 0) seen.add(name);
        return Number(list[list.indexOf(nodeA) + 1]) > Number(beat) + 8000;
      },
      'eight beats of a node',
      20_000,
    );
    const options = { input: `${newPassword()}\n`, inputAfter, env: engines() };
    expect((await runAdmin(['create-admin', newAddress()], options)).code).toBe(0);
    expect([...seen]).toEqual([nodeA, nodeB]);
  });

  it('lists every account by address, with role, state and time', async () => {
    const [one, two] = [await aUser(cluster), await created()];
    await admin(['disable', one.email]);
    const { code, output } = await admin(['list']);
    expect(code).toBe(0);
    const [heading = '', ...rows] = output.split('\n');
    expect(heading.split(/ +/)).toEqual(['ADDRESS', 'ROLE', 'STATE', 'CREATED']);
    const cells = rows.map((row) => row.split(/ {2,}/));
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(cells).toContainEqual([one.email, 'user', 'disabled', time]);
    expect(cells).toContainEqual([two.email, 'admin', 'enabled', time]);
    const addresses = cells.map(([address = '']) => address);
    const stored = await cluster.sql<{ email: string }>('SELECT email FROM users ORDER BY email');
    expect(addresses).toEqual(stored.map(({ email }) => email));
    expect(new Set(rows.map((row) => row.indexOf('20'.padStart(4)))).size).toBe(1);
  });

  describe('with one enabled administrator', () => {
    let last: TestUser;
    let other: TestUser;
    const refusal = {
      code: 1,
      output: '',
      errors: 'admin: the last enabled administrator cannot be disabled or demoted',
    };

    beforeAll(async () => {
      other = await anAdmin(cluster);
      last = await created();
      await cluster.sql("UPDATE users SET disabled_at = now() WHERE role = 'admin' AND id <> $1", [
        last.user.id,
      ]);
    });

    it('neither disables nor demotes that one, but demotes a disabled one', async () => {
      expect(await admin(['disable', last.email])).toEqual(refusal);
      expect(await admin(['set-role', last.email, 'user'])).toEqual(refusal);
      await as(last, 'GET', `${cluster.node.url}/admin/flags`, { expect: 200 });
      expect((await admin(['set-role', other.email, 'user'])).code).toBe(0);
      expect((await admin(['set-role', last.email, 'admin'])).code).toBe(0);
    });

    it('checks again when another administrator is demoted at the same time', async () => {
      await cluster.sql("UPDATE users SET role = 'admin', disabled_at = NULL WHERE id = $1", [other.user.id]);
      const client = new pg.Client({ connectionString: cluster.databaseUrl });
      await client.connect();
      try {
        await client.query('BEGIN');
        await client.query("UPDATE users SET role = 'user' WHERE id = $1", [other.user.id]);
        const command = admin(['disable', last.email]);
        const waiting =
          "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        await eventually(async () => (await cluster.sql(waiting)).length > 0, 'the command at the lock');
        await client.query('COMMIT');
        expect(await command).toEqual(refusal);
      } finally {
        await client.end();
      }
    });
  });

  describe('when an engine cannot be reached', () => {
    const limited = async (env: Record<string, string>) => {
      const start = performance.now();
      const end = await runAdmin(['list'], { env: { ...engines(), ...env } });
      return { ...end, seconds: (performance.now() - start) / 1000 };
    };

    it.each([
      [
        'DATABASE_URL',
        'PostgreSQL',
        'postgres://user:hidden-word@127.0.0.1:PORT/chat',
        '127.0.0.1:PORT/chat',
      ],
      ['REDIS_URL', 'Redis', 'redis://:hidden-word@127.0.0.1:PORT/0', '127.0.0.1:PORT/0'],
      ['REDIS_URL', 'Redis', 'redis+cluster://:hidden-word@127.0.0.1:PORT', '127.0.0.1:PORT'],
      ['REDIS_URL', 'Redis', 'redis+sentinel://:hidden-word@127.0.0.1:PORT/main', 'main of 127.0.0.1:PORT'],
    ])('names %s (%s) within seconds, without its password', async (setting, engine, url, place) => {
      const port = String(await freePort());
      const { code, output, errors, seconds } = await limited({ [setting]: url.replace('PORT', port) });
      expect([code, output]).toEqual([1, '']);
      expect(errors).toContain(
        `${engine} cannot be reached at ${place.replace('PORT', port)} (${setting}): `,
      );
      expect(errors.split('\n')).toHaveLength(1);
      expect(errors).not.toContain('hidden-word');
      expect(seconds).toBeLessThan(12);
    });

    it('says that a database has no schema', async () => {
      const databaseUrl = await ensureDatabase(
        cluster.databaseUrl.replace(/\/[^/]*$/, '/postgres'),
        `t_${randomBytes(6).toString('hex')}`,
      );
      const { code, errors } = await limited({ DATABASE_URL: databaseUrl });
      expect([code, errors]).toEqual([
        1,
        'admin: the database has no schema yet: start a node once, which creates it',
      ]);
    });

    it('names the missing settings, and the values of the wrong ones', async () => {
      const { code, errors } = await runAdmin(['list'], { env: { REDIS_URL: 'http://127.0.0.1' } });
      expect(code).toBe(1);
      expect(errors).toMatch(/^DATABASE_URL: expected .*, got nothing$/m);
      expect(errors).toMatch(/^REDIS_URL: expected .*, got 16 bytes \(not shown\)$/m);
    });
  });

  describe('beside a running demo', () => {
    const folder = () => join(currentRun().data, 'admin-command-demo');
    const list = (env: Record<string, string>) => runAdmin(['list'], { folder: folder(), env });

    beforeAll(() => {
      mkdirSync(join(folder(), '.admit-one'), { recursive: true });
      const facts = { postgres: { url: cluster.databaseUrl }, redis: { url: cluster.redisUrl } };
      writeFileSync(join(folder(), '.admit-one', 'demo.json'), JSON.stringify(facts));
    });

    it("uses the demo's engines when the environment names none", async () => {
      expect((await list({})).output).toContain('ADDRESS');
      expect((await list({ DATABASE_URL: '', REDIS_URL: cluster.redisUrl })).output).toContain('ADDRESS');
    });

    it("does not mix the demo's engines with others", async () => {
      const { code, errors } = await list({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
      expect([code, errors]).toEqual([1, expect.stringContaining('DATABASE_URL: expected')]);
    });
  });
});
