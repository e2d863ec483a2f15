import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { freePort } from '../scripts/free-port.js';
import { ensureDatabase } from '../scripts/engines/postgres-database.js';
import { processIdentity, signalProcess } from '../scripts/process-ledger.js';
import { PROJECT_ROOT } from '../scripts/project.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { DemoFolder } from './support/demo.js';
import type { DemoFacts, RunningDemo } from './support/demo.js';
import { request } from './support/http.js';
import { addressOf } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { signIn } from './support/user.js';
import { eventually } from './support/waiting.js';

const PASSWORD = 'demo-password';
const CHECK_SOCKET = join(PROJECT_ROOT, 'dist', 'scripts', 'testing', 'check-socket.js');

const isRunning = (pid: number | undefined): boolean =>
  pid !== undefined && processIdentity(pid) !== undefined;

/** Names of the nodes that answered `count` sockets dialled through the front. */
async function nodesDialled(port: number, count: number): Promise<string[]> {
  const front = addressOf(port);
  const user = await signIn(front, 'user-a@example.test', PASSWORD);
  const names: string[] = [];
  for (let dial = 0; dial < count; dial++) {
    const socket = await TestSocket.open(front, user);
    names.push(socket.all('ready')[0]?.data.node ?? 'none');
    await socket.close();
  }
  return [...new Set(names)].sort();
}

describe('the demo', () => {
  const folder = new DemoFolder();
  let demo: RunningDemo;
  let facts: DemoFacts;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    demo = await folder.start(['--nodes', '2'], { PORT: String(port) });
    facts = await demo.ready();
  });

  afterAll(async () => {
    await demo?.stop();
    await folder.clear();
  });

  it('passes the four checks of test:ws', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [CHECK_SOCKET], {
      env: { ...process.env, ADMIT_ONE_URL: `http://localhost:${port}` },
      timeout: 30_000,
    });
    expect(stdout.trim().split('\n')).toEqual([
      'ok - WebSocket handshake succeeds (no 403)',
      'ok - initial authentication is accepted',
      'ok - "ready" is received',
      'ok - the connection stays open for streaming',
    ]);
  });

  it('writes down what it started', async () => {
    expect(facts.front).toEqual({ port });
    expect(facts.nodes.map((node) => node.name)).toEqual(['node-1', 'node-2']);
    for (const node of facts.nodes) {
      expect(isRunning(node.pid)).toBe(true);
      expect((await request('GET', `${addressOf(node.port).url}/health/ready`)).status).toBe(200);
    }
    const client = new pg.Client({ connectionString: facts.postgres.url });
    await client.connect();
    expect((await client.query('SELECT count(*)::int AS n FROM users')).rows).toEqual([{ n: 3 }]);
    await client.end();
    const redis = new Redis(facts.redis.url);
    expect(await redis.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    redis.disconnect();
    expect([isRunning(facts.postgres.pid), isRunning(facts.redis.pid)]).toEqual([true, true]);
  });

  it('signs its three accounts in, and prints them', async () => {
    const accounts = {
      'user-a@example.test': 'user',
      'user-b@example.test': 'user',
      'admin@example.test': 'admin',
    };
    for (const [email, role] of Object.entries(accounts)) {
      expect((await signIn(addressOf(port), email, PASSWORD)).user.role).toBe(role);
      expect(demo.output()).toMatch(new RegExp(`${email} +${PASSWORD} +${role}`));
    }
    expect(demo.output()).toContain(`http://localhost:${port}`);
  });

  it('serves the page, and sockets of both nodes, through one port', async () => {
    const page = await request<string>('GET', `${addressOf(port).url}/`);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await nodesDialled(port, 4)).toEqual(['node-1', 'node-2']);
  });

  it('passes the complete response of a refused upgrade to the client', async () => {
    const refused = await rawUpgrade({ port }, { ticket: 'A'.repeat(43) });
    expect(refused.statusLine).toBe('HTTP/1.1 403 Forbidden');
    expect(refused.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(refused.problem()).toMatchObject({ code: 'ticket_rejected', status: 403, retry: 'new_ticket' });
  });

  it('refuses to start twice in the same folder', async () => {
    const second = await folder.start([], { PORT: String(await freePort()) });
    expect(await second.child.exited).toEqual({ code: 1, signal: null });
    expect(second.output()).toMatch(/^A demo already runs in .*: stop it first \(kill \d+\)\.\n$/);
    expect(isRunning(facts.postgres.pid)).toBe(true);
  });

  it('continues with the other node when one is killed, and says so', async () => {
    const [victim] = facts.nodes;
    signalProcess(victim?.pid ?? 0, 'SIGKILL');
    await eventually(
      () => demo.output().includes('ended with SIGKILL; 1 still running'),
      'the line about the dead node',
    );
    expect(await nodesDialled(port, 3)).toEqual(['node-2']);
  });

  it('stops everything in order when its terminal is closed, however many signals that makes', async () => {
    const pids = [...facts.nodes.map((node) => node.pid), facts.postgres.pid, facts.redis.pid];
    // The terminal signals npm and us; npm passes its own on, and ends.
    for (const signal of ['SIGINT', 'SIGINT', 'SIGHUP'] as const) demo.child.kill(signal);
    expect(await demo.child.exited).toEqual({ code: 0, signal: null });
    expect(demo.output()).toContain('Stopping;');
    expect(demo.output()).not.toContain('Ending at once');
    expect(pids.filter(isRunning)).toEqual([]);
    expect(existsSync(folder.factsFile)).toBe(false);
  });
});

describe('a demo that cannot start or is killed', () => {
  const folder = new DemoFolder();

  afterAll(() => folder.clear());

  it('says in one line that its port is in use, and leaves nothing running', async () => {
    const taken = Number(new URL(currentRun().postgresUrl).port);
    const demo = await folder.start([], { PORT: String(taken) });
    expect(await demo.child.exited).toEqual({ code: 1, signal: null });
    expect(demo.output()).toBe(
      `Port ${taken} is in use: end what listens there, or choose another one: PORT=${taken + 1} npm run demo\n`,
    );
    expect(folder.ledger.living()).toEqual([]);
  });

  it('says in one line that an engine of the environment is unreachable', async () => {
    const nowhere = `redis://127.0.0.1:${await freePort()}`;
    const env = {
      PORT: String(await freePort()),
      DATABASE_URL: currentRun().postgresUrl,
      REDIS_URL: nowhere,
    };
    const demo = await folder.start([], env);
    expect(await demo.child.exited).toEqual({ code: 1, signal: null });
    expect(demo.output()).toMatch(/^The Redis of REDIS_URL does not answer \(.*\): start it, .*\n$/);
  });

  it('says in one line that the migration failed', async () => {
    const used = await ensureDatabase(currentRun().postgresUrl, `used_${process.pid}`);
    const client = new pg.Client({ connectionString: used });
    await client.connect();
    await client.query('CREATE TABLE users (other int)');
    await client.end();
    const demo = await folder.start([], { PORT: String(await freePort()), DATABASE_URL: used });
    expect(await demo.child.exited).toEqual({ code: 1, signal: null });
    expect(demo.output()).toMatch(/^The migration failed \(.*users.*\): use an empty database, .*$/m);
    expect(folder.ledger.living()).toEqual([]);
  });

  it('ends at the next start the processes of a start that was killed', async () => {
    const port = await freePort();
    const killed = await folder.start(['--nodes', '1'], { PORT: String(port) });
    // One that is killed within the call that starts a process cannot have recorded it.
    const left = await eventually(() => {
      const engines = ['postgres', 'redis'].flatMap(
        (name) => folder.ledger.living().find((entry) => entry.name === name) ?? [],
      );
      return engines.length === 2 ? engines : undefined;
    }, 'both engines to be started');
    killed.child.kill('SIGKILL');
    await killed.child.exited;
    expect(left.map(({ pid }) => isRunning(pid))).toEqual([true, true]);

    const demo = await folder.start(['--nodes', '1'], { PORT: String(port) });
    const facts = await demo.ready();
    expect(demo.output()).toMatch(/^Ended what an earlier start left behind: .*postgres/);
    expect(left.map(({ pid }) => isRunning(pid))).toEqual([false, false]);
    expect(await nodesDialled(port, 1)).toEqual(['node-1']);
    expect(await demo.stop()).toEqual({ code: 0, signal: null });
    expect(isRunning(facts.postgres.pid)).toBe(false);
  });
});
