import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPostgres } from '../scripts/engines/postgres-binaries.js';
import { connectionFailure, startPostgres } from '../scripts/engines/postgres-server.js';
import { currentRun, runLedger } from '../scripts/testing/test-run.js';
import { logFile, startEngines } from './support/engines.js';
import type { Engines } from './support/engines.js';
import { withRedis } from './support/redis.js';

/** The fault tests rely on this: an engine really goes down and really comes back. */
describe('private engines', () => {
  let engines: Engines;

  beforeAll(async () => {
    engines = await startEngines({ privatePostgres: true, durableRedis: true });
  });

  afterAll(() => engines.stop());

  it('keep committed rows when Postgres is killed and restarted', async () => {
    await engines.sql('CREATE TABLE kept (a int)');
    await engines.sql('INSERT INTO kept VALUES (1)');
    engines.postgres?.kill('SIGKILL');
    await engines.postgres?.restart();
    expect(await engines.sql('SELECT a FROM kept')).toEqual([{ a: 1 }]);
  });

  it('keep keys and the port when Redis is restarted', async () => {
    await withRedis(engines, (redis) => redis.set('a', '1'));
    await engines.redis.restart();
    expect(await withRedis(engines, (redis) => redis.get('a'))).toBe('1');
  });

  it('refuse connections while Redis is down', async () => {
    await engines.redis.stop();
    await expect(withRedis(engines, (redis) => redis.ping())).rejects.toThrow();
    await engines.redis.restart();
  });
});

describe('the Postgres from npm', () => {
  it('starts inside a folder that only its owner may enter, even when started by root', async () => {
    const { data, folder } = currentRun();
    const closed = join(data, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const postgres = await startPostgres({
      binaries: findPostgres('embedded'),
      folder: closed,
      password: 'secret',
      logFile: logFile('embedded'),
      ledger: runLedger(folder),
      durable: false,
    });
    expect(await connectionFailure(postgres.url)).toBeUndefined();
    expect(await connectionFailure(postgres.url.replace('secret', 'wrong'))).toMatch(
      /password authentication failed/,
    );
    await postgres.stop();
  });
});
