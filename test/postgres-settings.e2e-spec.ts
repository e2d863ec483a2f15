import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Conversation } from '../protocol/resources.js';
import { databaseUrl } from '../scripts/engines/postgres-database.js';
import { PROJECT_ROOT } from '../scripts/project.js';
import { loadConfig } from '../src/config/config.js';
import { migrate } from '../src/database/data-source.js';
import { DatabaseService } from '../src/database/database.service.js';
import { AppLogger } from '../src/observability/logger.js';
import { MetricsService } from '../src/observability/metrics.service.js';
import { RefusalLogService } from '../src/observability/refusal-log.service.js';
import { aChat, ask, endOf, textOf } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { metric } from './support/metrics.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { startRewritingProxy } from './support/rewriting-proxy.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** Two seconds on a machine that has nothing else to do. */
const RECOVERY_LIMIT_MS = 4000;
const POOL_SIZE = 12;

interface Page {
  conversations: Conversation[];
  next_cursor?: string;
}

const ODD_SETTINGS: [string, string][] = [
  ['DateStyle', 'German, DMY'],
  ['IntervalStyle', 'sql_standard'],
  ['TimeZone', "'Asia/Kathmandu'"],
  ['bytea_output', 'escape'],
  ['extra_float_digits', '-15'],
  ['standard_conforming_strings', 'off'],
  ['client_encoding', 'LATIN1'],
  ['default_transaction_isolation', 'serializable'],
  ['statement_timeout', '50'],
  ['lock_timeout', '1'],
  ['idle_session_timeout', '3000'],
  ['array_nulls', 'off'],
  ['transform_null_equals', 'on'],
  ['synchronous_commit', 'off'],
];

let cluster: Cluster;
/** Of the server, for databases and settings. */
let admin: pg.Client;
let databases = 0;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, privatePostgres: true, redisForm: 'single' });
  admin = new pg.Client({ connectionString: cluster.postgres!.url });
  await admin.connect();
});

afterAll(async () => {
  await admin?.end();
  await cluster?.stop();
});

const nameIn = (url: string) => new URL(url).pathname.slice(1);
const newDatabase = async (how = '') => {
  const name = `odd_${++databases}`;
  await admin.query(`CREATE DATABASE ${name} ${how}`);
  return databaseUrl(cluster.postgres!.url, name);
};
const endSessions = (url: string) =>
  admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [nameIn(url)]);
const isReady = async (node: TestNode) => (await request('GET', `${node.url}/health/ready`)).status === 200;
const healthOf = async (node: TestNode, kind: string) =>
  (await request('GET', `${node.url}/health/${kind}`)).status;

describe('a database with another locale and odd settings', () => {
  let url: string;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    const { rows } = await admin.query(
      `SELECT 1 FROM pg_collation WHERE collprovider = 'i' AND current_setting('server_version_num')::int >= 150000 LIMIT 1`,
    );
    const turkish = rows.length > 0 ? `LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'` : '';
    url = await newDatabase(`TEMPLATE template0 ${turkish} LOCALE 'C'`);
    for (const [name, value] of ODD_SETTINGS)
      await admin.query(`ALTER DATABASE ${nameIn(url)} SET ${name} = ${value}`);
    node = await cluster.addNode({ DATABASE_URL: url });
    user = await aUser(cluster, node);
  });

  it('takes messages and stores answers', async () => {
    const chat = await aChat(node, user);
    const { run_id } = await ask(chat, 'count to 5 \\ 😀');
    expect(textOf(chat.socket, (await endOf(chat.socket, run_id)).message_id)).toBe('1 2 3 4 5');
    await chat.socket.close();
  });

  it('returns the same pages and times', async () => {
    const mine = await aUser(cluster, node);
    for (const title of ['I', 'ı', 'i']) await createConversation(node, mine, title);
    const page = async (query: string) =>
      (await as<Page>(mine, 'GET', `${node.url}/conversations?${query}`, { expect: 200 })).body;
    const { conversations } = await page('limit=10');
    for (const { created_at } of conversations)
      expect(Math.abs(Date.parse(created_at) - Date.now())).toBeLessThan(60_000);
    const paged: string[] = [];
    let query: string | undefined = 'limit=1';
    while (query !== undefined) {
      const { conversations: some, next_cursor }: Page = await page(query);
      paged.push(...some.map(({ title }) => title));
      query = next_cursor === undefined ? undefined : `limit=1&cursor=${encodeURIComponent(next_cursor)}`;
    }
    expect([conversations.map(({ title }) => title), paged]).toEqual([
      ['i', 'ı', 'I'],
      ['i', 'ı', 'I'],
    ]);
  });

  it('has an audit log that npm run audit:verify accepts', async () => {
    await node.stop();
    const program = join(PROJECT_ROOT, 'dist', 'scripts', 'operations', 'audit-verify.js');
    const verified = spawnSync(process.execPath, [program], { env: { DATABASE_URL: url }, encoding: 'utf8' });
    expect([verified.status, verified.stdout + verified.stderr]).toEqual([
      0,
      expect.stringContaining('ok, '),
    ]);
  });
});

describe('a node refuses to start', () => {
  it.each<[string, () => Promise<string>, RegExp]>([
    [
      'with a database of another encoding, and says how to create one',
      () => newDatabase(`ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'`),
      /DATABASE_URL: expected a database with the encoding UTF8, got LATIN1: create one with ENCODING 'UTF8'/,
    ],
    [
      'with a database of no encoding',
      () => newDatabase(`ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'`),
      /encoding UTF8, got SQL_ASCII/,
    ],
    [
      'with a search_path that leads nowhere',
      async () => {
        const url = await newDatabase();
        await admin.query(`ALTER DATABASE ${nameIn(url)} SET search_path = nowhere`);
        return url;
      },
      /expected a search_path with a schema that exists/,
    ],
    [
      'with a read-only database',
      async () => {
        const url = await newDatabase();
        await admin.query(`ALTER DATABASE ${nameIn(url)} SET default_transaction_read_only = on`);
        return url;
      },
      /expected a database that can be written to/,
    ],
  ])('%s', async (_what, prepare, words) => {
    await expect(migrate(await prepare())).rejects.toThrow(words);
  });

  it('with an old PostgreSQL', async () => {
    const url = new URL(await newDatabase());
    // Of the same length, because the message says how long it is.
    const proxy = await startRewritingProxy(Number(url.port), (piece) =>
      piece.replace(/1[4-9](00\d\d)/, '13$1'),
    );
    try {
      url.port = String(proxy.port);
      await expect(migrate(url.href)).rejects.toThrow('expected PostgreSQL 14 or later, got 13');
    } finally {
      proxy.stop();
    }
  });
});

describe('a Postgres that is up', () => {
  let node: TestNode;
  let user: TestUser;
  let conversation: Conversation;

  beforeAll(async () => {
    node = cluster.node;
    user = await aUser(cluster);
    conversation = await createConversation(node, user);
  });

  const database = () => nameIn(cluster.databaseUrl);
  const send = async () => {
    const body = { client_message_id: randomUUID(), content: 'Is it written down?' };
    const url = `${node.url}/conversations/${conversation.id}/messages`;
    const { status, body: problem, headers } = await as<{ code?: string }>(user, 'POST', url, { body });
    return [status, problem.code, headers.get('retry-after') !== null];
  };
  const reload = async (statement: string) => {
    await admin.query(statement);
    await admin.query('SELECT pg_reload_conf()');
  };

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>, RegExp, RegExp]>([
    [
      'new sessions are read-only',
      async () => {
        await admin.query(`ALTER DATABASE ${database()} SET default_transaction_read_only = on`);
        await endSessions(cluster.databaseUrl);
      },
      () => admin.query(`ALTER DATABASE ${database()} RESET default_transaction_read_only`),
      /written to|read-only/,
      /primary/,
    ],
    [
      'open sessions become read-only',
      async () => {
        // It must be able to undo this.
        await admin.query('SET default_transaction_read_only = off');
        await reload('ALTER SYSTEM SET default_transaction_read_only = on');
      },
      () => reload('ALTER SYSTEM RESET default_transaction_read_only'),
      /written to|read-only/,
      /primary/,
    ],
    [
      'a table is missing',
      () => cluster.sql('ALTER TABLE messages RENAME TO elsewhere'),
      () => cluster.sql('ALTER TABLE elsewhere RENAME TO messages'),
      /messages/,
      /missing/,
    ],
  ])('makes the node not ready while %s, and one CRITICAL line says why', async (...row) => {
    const [, begin, end, reply, advice] = row;
    const told = node.logged('postgres.refused').length;
    const lost = node.logged('postgres.lost').length;
    const watcher = await TestSocket.open(node, user);
    await begin();
    try {
      await eventually(async () => !(await isReady(node)), 'the node not to be ready');
      expect(await send()).toEqual([503, 'dependency_unavailable', true]);
      const upgrade = await rawUpgrade(node, { ticket: 'A'.repeat(43) });
      expect([upgrade.status, upgrade.problem().code]).toEqual([503, 'dependency_unavailable']);
      expect([await healthOf(node, 'ready'), await healthOf(node, 'websocket')]).toEqual([503, 503]);
      expect([await healthOf(node, 'live'), await metric(node, 'chat_postgres_up')]).toEqual([200, 0]);
    } finally {
      await end();
    }
    await eventually(
      async () => (await isReady(node)) && (await send())[0] === 202,
      'the node to take messages again',
      RECOVERY_LIMIT_MS,
    );
    expect([await healthOf(node, 'websocket'), await metric(node, 'chat_postgres_up')]).toEqual([200, 1]);
    // Every session of the pool, not only the one that was asked.
    await eventually(
      async () => {
        const made = Array.from({ length: POOL_SIZE }, () =>
          as(user, 'POST', `${node.url}/conversations`, { body: {} }),
        );
        return (await Promise.all(made)).every(({ status }) => status === 201);
      },
      'every session to be writable',
      RECOVERY_LIMIT_MS,
    );
    // One in ten seconds for one cause, and the rest of the cause before.
    expect(node.logged('postgres.refused').length - told).toBeLessThanOrEqual(3);
    expect(node.logged('postgres.refused')).toContainEqual(
      expect.objectContaining({
        severity: 'CRITICAL',
        setting: 'DATABASE_URL',
        reply: expect.stringMatching(reply),
        advice: expect.stringMatching(advice),
      }),
    );
    expect(node.logged('postgres.lost').slice(lost)).toEqual([]);
    expect((await watcher.send('ping', {})).type).toBe('pong');
    await watcher.close();
  });

  describe('and the part of a node that asks it', () => {
    let logger: AppLogger;
    let service: DatabaseService;

    beforeAll(async () => {
      const config = loadConfig({
        DATABASE_URL: cluster.databaseUrl,
        REDIS_URL: cluster.redisUrl,
        JWT_SECRET: 'x'.repeat(32),
        LOG_LEVEL: 'silent',
      });
      logger = new AppLogger(config);
      service = new DatabaseService(config, logger, new MetricsService(), new RefusalLogService(logger), []);
      await cluster.sql('CREATE TABLE counted (id int PRIMARY KEY, times int DEFAULT 0)');
      await cluster.sql('INSERT INTO counted VALUES (1), (2)');
      await admin.query(`ALTER DATABASE ${database()} SET deadlock_timeout = '50ms'`);
    });

    afterAll(async () => {
      await service.onApplicationShutdown();
      await logger.close();
      await cluster.sql('DROP TABLE counted');
    });

    const count = 'UPDATE counted SET times = times + 1 WHERE id = $1';

    it('gives up a session that became read-only', async () => {
      const write = () => service.run((dataSource) => dataSource.query(count, [1]));
      await write();
      await service.run((dataSource) => dataSource.query('SET default_transaction_read_only = on'));
      await expect(write()).rejects.toThrow('postgres is unavailable');
      await write();
    });

    it('runs a transaction a second time after a deadlock', async () => {
      await cluster.sql('UPDATE counted SET times = 0');
      let tries = 0;
      let release: () => void;
      const bothHold = new Promise<void>((resolve) => {
        release = resolve;
      });
      const countBoth = (first: number, second: number) =>
        service.transaction(async (manager) => {
          await manager.query(count, [first]);
          tries += 1;
          if (tries === 2) release();
          await bothHold;
          await manager.query(count, [second]);
        });
      await Promise.all([countBoth(1, 2), countBoth(2, 1)]);
      expect(tries).toBe(3);
      expect(await cluster.sql('SELECT times FROM counted')).toEqual([{ times: 2 }, { times: 2 }]);
    });
  });
});
