import { z } from 'zod';

export interface RedisHost {
  host: string;
  port: number;
}

interface Secured {
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
}

/** Where Redis is, by the form of `REDIS_URL`. */
export type RedisAddress =
  | { form: 'single'; url: string }
  | (Secured & {
      form: 'sentinel';
      sentinels: RedisHost[];
      /** Name of the master in the sentinels. */
      masterName: string;
      db: number;
      /** Credentials of the sentinels; `username` and `password` are those of the servers. */
      sentinelUsername: string | undefined;
      sentinelPassword: string | undefined;
    })
  | (Secured & { form: 'cluster'; nodes: RedisHost[] });

const FORMS =
  'redis://host:port/db, redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port (rediss with TLS)';
// The WHATWG parser takes one host only, so the parts are split here.
const PARTS =
  /^(?<protocol>rediss?)(\+(?<form>sentinel|cluster))?:\/\/((?<user>[^/?#]*)@)?(?<hosts>[^/?#@]*)(\/(?<path>[^?#]*))?(\?(?<query>[^#]*))?$/;
const HOST = /^(\[(?<v6>[0-9a-f:.]+)\]|(?<name>[^\s:[\]]+))(:(?<port>\d{1,5}))?$/i;

/** What is wrong with a URL, as the end of "expected ...". Never shows the value: it may hold a password. */
class Unusable extends Error {}

/** The setting `REDIS_URL`. */
export function redisAddress() {
  return z.string().transform((value, context): RedisAddress => {
    try {
      return parseRedisUrl(value);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

/** @throws when the form is unknown; the message says what was expected, never what was found. */
export function parseRedisUrl(value: string): RedisAddress {
  const parts = PARTS.exec(value)?.groups;
  if (parts === undefined) throw new Unusable(FORMS);
  const { form, path = '', query } = parts;
  if (form === undefined) return single(value, path, parts.user);
  const secured = { tls: parts.protocol === 'rediss', ...credentials(parts.user) };
  if (form === 'cluster') {
    if (path !== '' && path !== '0') throw new Unusable('no database after the hosts: a cluster has only 0');
    return { form, nodes: hosts(parts.hosts, 6379), ...secured };
  }
  const [masterName = '', db = '0', ...rest] = path.split('/').map(decode);
  if (masterName === '') throw new Unusable('the name of the master after the sentinels, as in /mymaster');
  if (rest.length > 0) throw new Unusable('/master-name or /master-name/db after the sentinels');
  const own = new URLSearchParams(query);
  return {
    form: 'sentinel',
    sentinels: hosts(parts.hosts, 26_379),
    masterName,
    db: database(db),
    ...secured,
    sentinelUsername: own.get('sentinel_username') ?? undefined,
    sentinelPassword: own.get('sentinel_password') ?? undefined,
  };
}

function single(url: string, path: string, user: string | undefined): RedisAddress {
  if (!URL.canParse(url)) throw new Unusable(FORMS);
  // The client decodes them.
  credentials(user);
  if (path !== '') database(path);
  return { form: 'single', url };
}

function database(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new Unusable('the number of a database at its end, or nothing');
  return Number(text);
}

function credentials(user: string | undefined): Pick<Secured, 'username' | 'password'> {
  if (user === undefined || user === '') return { username: undefined, password: undefined };
  const colon = user.indexOf(':');
  if (colon === -1) return { username: decode(user), password: undefined };
  return { username: decode(user.slice(0, colon)) || undefined, password: decode(user.slice(colon + 1)) };
}

function hosts(list: string | undefined, defaultPort: number): RedisHost[] {
  return (list ?? '').split(',').map((text) => {
    const { v6, name, port } = HOST.exec(text.trim())?.groups ?? {};
    const host = v6 ?? name;
    const number = port === undefined ? defaultPort : Number(port);
    if (host === undefined || number < 1 || number > 65_535) {
      throw new Unusable('hosts as host:port,host:port, with ports from 1 to 65535');
    }
    return { host, port: number };
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new Unusable('user, password and names percent-encoded, with %25 for a percent sign', { cause });
  }
}
