import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from './config.js';
import { parseRedisUrl } from './redis-address.js';

const open = { tls: false, username: undefined, password: undefined };
const sentinelOnly = { sentinelUsername: undefined, sentinelPassword: undefined };

describe('REDIS_URL', () => {
  it.each(['redis://127.0.0.1', 'redis://127.0.0.1:6379/3', 'rediss://me:secret@redis.example:6380/0'])(
    'names one server as %s',
    (url) => expect(parseRedisUrl(url)).toEqual({ form: 'single', url }),
  );

  it('names sentinels, the master and the database', () => {
    expect(parseRedisUrl('redis+sentinel://a:26379,b,[::1]:26381/mymaster/2')).toEqual({
      form: 'sentinel',
      sentinels: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 26_379 },
        { host: '::1', port: 26_381 },
      ],
      masterName: 'mymaster',
      db: 2,
      ...open,
      ...sentinelOnly,
    });
  });

  it('holds the credentials of the servers and those of the sentinels', () => {
    expect(
      parseRedisUrl('rediss+sentinel://me:p%40ss%3A@a/m?sentinel_username=s&sentinel_password=q%26'),
    ).toMatchObject({
      tls: true,
      username: 'me',
      password: 'p@ss:',
      db: 0,
      sentinelUsername: 's',
      sentinelPassword: 'q&',
    });
  });

  it('names nodes of a cluster', () => {
    expect(parseRedisUrl('redis+cluster://:secret@a:7000,b:7001')).toEqual({
      form: 'cluster',
      nodes: [
        { host: 'a', port: 7000 },
        { host: 'b', port: 7001 },
      ],
      ...open,
      password: 'secret',
    });
    expect(parseRedisUrl('rediss+cluster://a/0')).toMatchObject({ tls: true, nodes: [{ port: 6379 }] });
  });

  it.each([
    ['redis+ring://a', 'redis+sentinel://'],
    ['redis-sentinel://a/m', 'redis+sentinel://'],
    ['redis://a:hidden-word@x:99999', 'redis://host'],
    ['redis://:hidden-word@x/name', 'number of a database'],
    ['redis+sentinel://:hidden-word@a:26379', 'name of the master'],
    ['redis+sentinel://:hidden-word@a:26379/', 'name of the master'],
    ['redis+sentinel://:hidden-word@a:26379/m/x', 'number of a database'],
    ['redis+sentinel://:hidden-word@a:26379/m/0/1', '/master-name/db'],
    ['redis+sentinel://:hidden-word@/m', 'host:port,host:port'],
    ['redis+cluster://:hidden-word@a:1,', 'host:port,host:port'],
    ['redis+cluster://:hidden-word@a:0', 'host:port,host:port'],
    ['redis+cluster://:hidden-word@a:b', 'host:port,host:port'],
    ['redis+cluster://:hidden-word@a/1', 'no database'],
    ['redis+cluster://:hidden-word%@a', 'percent-encoded'],
  ])('%s is refused with what was expected, and without its password', (url, expected) => {
    const load = () =>
      loadConfig({
        DATABASE_URL: 'postgres://127.0.0.1/db',
        REDIS_URL: url,
        JWT_SECRET: 's'.repeat(32),
      });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(
      /^The settings cannot be used\.\nREDIS_URL: expected .+, got \d+ bytes \(not shown\)$/,
    );
    expect(load).toThrow(expected);
    expect(load).not.toThrow('hidden-word');
  });
});
