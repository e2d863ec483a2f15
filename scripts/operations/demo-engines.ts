import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `npm run demo` writes while it runs. */
const FACTS_FILE = join('.admit-one', 'demo.json');

type Environment = Record<string, string | undefined>;

/**
 * The environment, with the engines of the demo that runs in `folder` where it names none. Settings that name other
 * engines than the demo's are never mixed with it.
 */
export function withDemoEngines(environment: Environment, folder: string): Environment {
  const file = join(folder, FACTS_FILE);
  if (!existsSync(file)) return environment;
  const facts = JSON.parse(readFileSync(file, 'utf8')) as Record<'postgres' | 'redis', { url: string }>;
  const engines = { DATABASE_URL: facts.postgres.url, REDIS_URL: facts.redis.url };
  const isOfDemo = Object.entries(engines).every(([name, url]) =>
    ['', undefined, url].includes(environment[name]),
  );
  return isOfDemo ? { ...environment, ...engines } : environment;
}
