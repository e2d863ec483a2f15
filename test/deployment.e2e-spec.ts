import { describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

interface Service {
  image?: string;
  build?: string;
  command?: string[];
  ports?: string[];
  volumes?: string[];
  profiles?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string; required?: boolean }>;
  deploy?: { replicas: number };
  networks?: string[];
  stop_grace_period?: string;
  healthcheck?: { test: string[] };
}
interface Composition {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean } | null>;
}

const read = (path: string): string => readFileSync(join(import.meta.dirname, '..', path), 'utf8');
const composition = parse(read('docker-compose.yml')) as Composition;
const dockerfile = read('Dockerfile');
const caddyfile = read('ops/Caddyfile');
const nginx = read('ops/nginx.conf');

function service(name: string): Service {
  const found = composition.services[name];
  if (found === undefined)
    throw new Error(`expected a service ${name}, found ${Object.keys(composition.services).join()}`);
  return found;
}

/** The instructions of the last stage, which is what runs. */
function runtimeStage(): string[] {
  const joined = dockerfile.replace(/\\\n\s*/g, '').split('\n');
  const lines = joined.filter((line) => line !== '' && !line.startsWith('#'));
  return lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
}

describe('docker-compose.yml', () => {
  test('conforms to the Compose Specification', () => {
    const schema = JSON.parse(read('test/support/compose.schema.json')) as object;
    const ajv = new Ajv({ strict: false, allErrors: true });
    ajv.validate(schema, composition);
    expect(ajv.errors).toBeNull();
  });

  test('runs two copies of chat-service behind a proxy that publishes 8003:8000', () => {
    expect(service('chat-service')).toMatchObject({ build: '.', deploy: { replicas: 2 } });
    expect(service('chat-service').ports).toBeUndefined();
    expect(service('caddy')).toMatchObject({
      ports: ['8003:8000'],
      environment: { UPSTREAM_HOST: 'chat-service' },
      depends_on: { 'chat-service': { condition: 'service_healthy' } },
    });
  });

  test('gives chat-service its engines, and waits until they are healthy', () => {
    const { environment, depends_on } = service('chat-service');
    expect(environment).toMatchObject({
      REDIS_URL: expect.stringContaining('redis://redis:6379'),
      DATABASE_URL: expect.stringContaining('@postgres:5432/'),
      OLLAMA_URL: expect.stringContaining('http://ollama:11434'),
      OPENAI_BASE_URL: expect.stringContaining('http://llama-cpp:8080/v1'),
      TRUST_PROXY: '1',
    });
    expect(depends_on).toMatchObject({
      postgres: { condition: 'service_healthy' },
      redis: { condition: 'service_healthy' },
      ollama: { required: false },
      'llama-cpp': { required: false },
    });
    for (const name of ['postgres', 'redis']) expect(service(name).healthcheck?.test[0]).toBe('CMD');
  });

  test('starts a model only when asked to', () => {
    expect(service('ollama').profiles).toEqual(['ollama']);
    expect(service('llama-cpp').profiles).toEqual(['llama-cpp']);
    const always = Object.entries(composition.services).filter(([, { profiles }]) => profiles === undefined);
    expect(always.map(([name]) => name).sort()).toEqual(['caddy', 'chat-service', 'postgres', 'redis']);
  });

  test('starts Prometheus and Grafana only when asked to, reachable from this machine only', () => {
    for (const name of ['prometheus', 'grafana']) {
      const { profiles, ports = [], networks, volumes = [] } = service(name);
      expect(profiles).toEqual(['observability']);
      expect(ports).toHaveLength(1);
      expect(ports[0]).toMatch(/^127\.0\.0\.1:/);
      expect(networks).toEqual(['edge']);
      for (const [, file = ''] of volumes.join('\n').matchAll(/^\.\/([^:]+):/gm))
        expect(read(file)).not.toBe('');
    }
    expect(service('grafana').environment).toMatchObject({
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
      GF_AUTH_BASIC_ENABLED: 'false',
      GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: 'true',
    });
  });

  test('requires its secrets and has no defaults for them', () => {
    expect(service('chat-service').environment?.JWT_SECRET).toMatch(/^\$\{JWT_SECRET:\?/);
    expect(service('postgres').environment?.POSTGRES_PASSWORD).toMatch(/^\$\{POSTGRES_PASSWORD:\?/);
    for (const text of Object.values(service('chat-service').environment ?? {})) {
      expect(text).not.toMatch(/\$\{\w*(SECRET|PASSWORD|TOKEN|KEY)\w*(:?[-+][^}]*)?\}/);
    }
  });

  test('keeps the engines off the network of the proxy', () => {
    for (const name of ['postgres', 'redis']) {
      expect(service(name).networks).toEqual(['engines']);
      expect(service(name).ports).toBeUndefined();
    }
    expect(composition.networks.engines?.internal).toBe(true);
    expect(service('caddy').networks).not.toContain('engines');
  });

  test('never lets Redis evict keys, and makes it write its data to disk', () => {
    const command = service('redis').command?.join(' ');
    expect(command).toContain('--maxmemory-policy noeviction');
    expect(command).toContain('--appendonly yes');
  });

  test('lets a node drain before it is killed', () => {
    const { stop_grace_period, environment } = service('chat-service');
    expect(Number.parseInt(stop_grace_period ?? '0')).toBeGreaterThan(Number(environment?.DRAIN_SECONDS));
  });

  test('passes on settings that the server knows, and no others', () => {
    const known = read('src/config/config.ts');
    const unknown = Object.keys(service('chat-service').environment ?? {}).filter(
      (name) => !known.includes(`  ${name}:`),
    );
    expect(unknown).toEqual([]);
  });
});

describe('Dockerfile', () => {
  test('installs from the lock file, and runs without development tools', () => {
    const installs = dockerfile.split('\n').filter((line) => /^RUN npm/.test(line));
    expect(installs).toEqual(['RUN npm ci', 'RUN npm run build', 'RUN npm ci --omit=dev']);
    expect(dockerfile.match(/^FROM .*/gm)).toEqual([
      'FROM node:22-bookworm-slim AS build',
      'FROM node:22-bookworm-slim',
    ]);
  });

  test('runs the server directly, as an unprivileged user, and ends it by SIGTERM', () => {
    const stage = runtimeStage();
    expect(stage).toContain('CMD ["node", "dist/src/main.js"]');
    expect(stage).toContain('STOPSIGNAL SIGTERM');
    const user = stage.findIndex((line) => line === 'USER node');
    expect(user).toBeGreaterThan(stage.findLastIndex((line) => line.startsWith('COPY ')));
  });

  test('checks the liveness of the server', () => {
    expect(runtimeStage().find((line) => line.startsWith('HEALTHCHECK'))).toMatch(
      /CMD \["node", "-e", "fetch\(.*\/health\/live/,
    );
  });

  test('copies neither secrets nor installed packages from the host', () => {
    const ignored = read('.dockerignore').split('\n');
    expect(ignored).toEqual(
      expect.arrayContaining(['node_modules', '.env', '.env.*', '.git', '.admit-one', 'dist']),
    );
    expect(dockerfile).not.toMatch(/^(ARG|ENV) .*(SECRET|PASSWORD|TOKEN|_URL)/m);
  });
});

describe.each([
  ['ops/Caddyfile', caddyfile],
  ['ops/nginx.conf', nginx],
])('%s', (path, text) => {
  const instructions = text.replace(/^\s*#.*$/gm, '');

  test('maps the old addresses to the root', () => {
    const mapping = path.endsWith('nginx.conf')
      ? /location \/api\/v1\/chat\/ \{\s*proxy_pass http:\/\/admit_one\/;/
      : /handle_path \/api\/v1\/chat\/\* \{\s*import nodes/;
    expect(instructions).toMatch(mapping);
  });

  test('keeps tickets and tokens out of its log', () => {
    if (path.endsWith('nginx.conf')) {
      const format = /log_format[^;]*;/.exec(instructions)?.[0] ?? '';
      expect(format).toContain('$logged_path');
      expect(format).not.toMatch(
        /\$(request|request_uri|args|query_string|arg_\w+|http_referer|http_authorization|http_cookie)\b/,
      );
      expect(instructions).toMatch(/error_log \S+ emerg;/);
    } else {
      for (const name of ['ticket', 'token', 'session_token'])
        expect(instructions).toContain(`replace ${name} REDACTED`);
      for (const name of ['Authorization', 'Cookie', 'Sec-Websocket-Protocol']) {
        expect(instructions).toContain(`request>headers>${name} delete`);
      }
    }
  });

  test('has timeouts longer than the heartbeat of 30 s', () => {
    const limits = [
      ...instructions.matchAll(/(?:proxy_read_timeout|proxy_send_timeout|idle|keepalive) (\d+)s/g),
    ];
    expect(limits.length).toBeGreaterThanOrEqual(2);
    for (const [, seconds] of limits) expect(Number(seconds)).toBeGreaterThan(40);
  });
});

describe('package.json', () => {
  interface Manifest {
    allowScripts: Record<string, boolean>;
  }
  interface Lock {
    packages: Record<string, { hasInstallScript?: boolean }>;
  }

  test('lists each package with an install script, and allows none to run', () => {
    const { allowScripts } = JSON.parse(read('package.json')) as Manifest;
    const { packages } = JSON.parse(read('package-lock.json')) as Lock;
    const withScript = Object.entries(packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.replace(/^.*node_modules\//, ''));
    expect(Object.keys(allowScripts).sort()).toEqual([...new Set(withScript)].sort());
    expect(new Set(Object.values(allowScripts))).toEqual(new Set([false]));
  });
});
