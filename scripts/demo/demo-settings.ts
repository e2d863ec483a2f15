import { LaunchError } from '../launch-error.js';
import type { Service } from '../engines/services.js';
import type { StateFolder } from '../state-folder.js';

export interface DemoAddresses {
  /** Port that browsers use. */
  port: number;
  postgres: Service;
  redis: Service;
}

/** Settings of a demo node: the environment, with these defaults. */
export function nodeSettings(
  state: StateFolder,
  { port, postgres, redis }: DemoAddresses,
): NodeJS.ProcessEnv {
  const defaults = {
    PUBLIC_URL: `http://localhost:${port}`,
    ALLOWED_ORIGINS: `http://localhost:${port},http://127.0.0.1:${port}`,
    REGISTRATION: 'open',
    // Nobody waits 20 s after Ctrl-C, and there is no other node for the open sockets: drain faster.
    DRAIN_SECONDS: '5',
  };
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
  const key = given.JWT_PRIVATE_KEY === undefined ? { JWT_SECRET: state.secret('jwt.secret') } : {};
  return { ...defaults, ...key, ...given, DATABASE_URL: postgres.url, REDIS_URL: redis.url };
}

/** `PORT`, or 8000. */
export function frontPort(): number {
  const given = process.env.PORT || '8000';
  const port = Number(given);
  if (/^\d+$/.test(given) && port <= 65_535) return port;
  throw new LaunchError(`PORT must be a number up to 65535, not "${given}".`);
}
