import type { RedisAddress } from '../config/redis-address.js';

/** The first version with GETDEL and GETEX. */
const OLDEST = [6, 2] as const;

/**
 * Why a server can never do, by its `INFO server`; undefined when nothing is known against it.
 * @param form which kind of server `REDIS_URL` promises
 */
export function unfitness(info: ReadonlyMap<string, string>, form: RedisAddress['form']): string | undefined {
  const version = info.get('redis_version') ?? '';
  if (isOlder(version))
    return `expected Redis ${OLDEST.join('.')} or later, or Valkey, got version ${version}`;
  const mode = info.get('redis_mode');
  if (mode === 'sentinel' && form !== 'sentinel')
    return 'expected redis+sentinel:// and the name of the master, because this server is a sentinel';
  if (mode === 'cluster' && form !== 'cluster')
    return 'expected redis+cluster:// and some nodes, because this server is a node of a Redis Cluster';
  return undefined;
}

function isOlder(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  const [oldestMajor, oldestMinor] = OLDEST;
  return Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
}
