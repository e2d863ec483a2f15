import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Me } from '../protocol/resources.js';
import { SERVER_ENTRY } from '../scripts/project.js';
import { ConfigError, loadConfig } from '../src/config/config.js';
import { type Engines, startEngines } from './support/engines.js';
import { readExample } from './support/env-example.js';
import { request } from './support/http.js';
import { keyPair, type KeyPair } from './support/key-pair.js';
import { startNode, type TestNode } from './support/node.js';
import { register, signIn } from './support/user.js';

const REQUIRED = {
  DATABASE_URL: 'postgres://somebody:a-password-of-postgres@127.0.0.1:1/nothing',
  REDIS_URL: 'redis://:a-password-of-redis@127.0.0.1:1',
  JWT_SECRET: 'a-secret-of-more-than-thirty-two-bytes',
};

const SECRETS = ['a-password-of', 'a-secret-of', 'a-short-secret', 'hidden-word', 'not-a-key'];

/** Starts the built server with nothing but these settings, and waits for its end. */
async function startWith(settings: Record<string, string>) {
  const child = spawn(process.execPath, [SERVER_ENTRY], { env: settings, stdio: ['ignore', 'pipe', 'pipe'] });
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (written += text));
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const code = await Promise.race([ended, sleep(20_000, 'still running' as const, { ref: false })]);
  if (code === 'still running') child.kill('SIGKILL');
  return { code, written };
}

describe('a setting that cannot be used', () => {
  // An operator sees only this line: the variable, what was expected, and what was given.
  test.each<[string, Record<string, string>, RegExp]>([
    ['no DATABASE_URL', { DATABASE_URL: '' }, /^DATABASE_URL: expected .*string.*, got nothing$/m],
    ['no REDIS_URL', { REDIS_URL: '' }, /^REDIS_URL: expected .*string.*, got nothing$/m],
    ['no key', { JWT_SECRET: '' }, /^JWT_SECRET: expected at least 32 bytes \(or .*\), got nothing$/m],
    [
      'a short secret',
      { JWT_SECRET: 'a-short-secret' },
      /^JWT_SECRET: expected at least 32 bytes, got 14 bytes/m,
    ],
    [
      'another engine',
      { DATABASE_URL: 'mysql://me:hidden-word@db/x' },
      /^DATABASE_URL: expected .*postgres:\/\/.*, got/m,
    ],
    [
      'http in public',
      { PUBLIC_URL: 'http://chat.example.com' },
      /^PUBLIC_URL: expected https, .*loopback.*, got/m,
    ],
    [
      'an origin with a path',
      { ALLOWED_ORIGINS: 'https://a.example/x' },
      /^ALLOWED_ORIGINS: expected .*origins.*, got/m,
    ],
    ['a wildcard as origin', { ALLOWED_ORIGINS: '*' }, /^ALLOWED_ORIGINS: expected .*origins.*, got "\*"$/m],
    [
      'too short a ticket',
      { WS_TICKET_TTL_SECONDS: '4' },
      /^WS_TICKET_TTL_SECONDS: expected .*>=5, got "4"$/m,
    ],
    [
      'too long a ticket',
      { WS_TICKET_TTL_SECONDS: '121' },
      /^WS_TICKET_TTL_SECONDS: expected .*<=120, got "121"$/m,
    ],
    ['a port that is not a number', { PORT: 'abc' }, /^PORT: expected a whole number, got "abc"$/m],
    [
      'an unknown responder',
      { RESPONDER: 'oracle' },
      /^RESPONDER: expected .*"builtin".*"ollama".*, got "oracle"$/m,
    ],
    ['an invalid key', { JWT_PRIVATE_KEY: 'not-a-key' }, /^JWT_PRIVATE_KEY: expected a PEM key, got/m],
  ])('has a line of its own, without secrets: %s', (_case, wrong, line) => {
    const complaint = complaintAbout({ ...REQUIRED, ...wrong });
    expect(complaint).toMatch(line);
    expect(complaint.split('\n').filter((text) => /^[A-Z_]+: /.test(text))).toHaveLength(1);
    for (const secret of SECRETS) expect(complaint).not.toContain(secret);
  });

  test.each<[string, Record<string, string>]>([
    ['nothing is set', { DATABASE_URL: '', REDIS_URL: '', JWT_SECRET: '' }],
    ['there is no key', { JWT_SECRET: '' }],
    ['the key is invalid', { JWT_PRIVATE_KEY: 'not-a-key' }],
    [
      'every setting is wrong',
      {
        DATABASE_URL: 'mysql://me:hidden-word@db/x',
        REDIS_URL: 'http://me:hidden-word@x',
        JWT_SECRET: 'a-short-secret',
        PUBLIC_URL: 'http://chat.example.com',
        ALLOWED_ORIGINS: '*',
        WS_TICKET_TTL_SECONDS: '4',
        PORT: 'abc',
        RESPONDER: 'oracle',
      },
    ],
  ])('stops the server before it starts, when %s', async (_case, wrong) => {
    const settings = { ...REQUIRED, ...wrong };
    const { code, written } = await startWith(settings);
    expect(code).toBe(1);
    expect(written.trim()).toBe(complaintAbout(settings));
    for (const secret of SECRETS) expect(written).not.toContain(secret);
  });

  test('does not hide the others', () => {
    const complaint = complaintAbout({
      ...REQUIRED,
      REDIS_URL: 'http://x',
      PORT: '70000',
      LOG_LEVEL: 'loud',
    });
    const named = complaint.split('\n').map((line) => line.split(':')[0]);
    expect(named.slice(1).sort()).toEqual(['LOG_LEVEL', 'PORT', 'REDIS_URL']);
  });
});

describe('.env.example', () => {
  const example = readExample();
  const source = readFileSync(join(import.meta.dirname, '..', 'src', 'config', 'config.ts'), 'utf8');
  const known = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+): /gm)].map((match) => match[1] ?? '');

  test('lists every setting once, and no other', () => {
    expect(known.length).toBeGreaterThan(30);
    expect(example.map(({ name }) => name).sort()).toEqual([...known].sort());
  });

  test('gives each setting the default that the server has', () => {
    const given = Object.fromEntries(example.map(({ name, value }) => [name, value]));
    const { jwt: _given, ...withExample } = loadConfig({ ...given, ...REQUIRED });
    const { jwt, ...withDefaults } = loadConfig(REQUIRED);
    expect(withExample).toEqual(withDefaults);
    expect([given.JWT_ISSUER, given.JWT_AUDIENCE]).toEqual([jwt.issuer, jwt.audience]);
  });

  test('sets no value for a setting without a default, and says so', () => {
    for (const { name, value, comment } of example) {
      expect([name, comment]).toEqual([name, expect.stringMatching(/Required|Default|No default/)]);
      if (/Required|No default|Default: /.test(comment)) expect([name, value]).toEqual([name, '']);
      else
        expect(comment).toMatch(new RegExp(`Default ${escaped(value === '' ? 'http://localhost' : value)}`));
    }
  });

  const ranged = example.filter(({ comment }) => /\d+ to \d+/.test(comment) && !/characters/.test(comment));

  test.each(ranged)('gives the range of $name that the server accepts', ({ name, comment }) => {
    const [min, max] = (/(\d+) to (\d+)/.exec(comment) ?? []).slice(1).map(Number);
    if (min === undefined || max === undefined) throw new Error(`expected a range for ${name}`);
    for (const value of [min, max]) expect(complaintAbout({ ...REQUIRED, [name]: String(value) })).toBe('');
    for (const value of [min - 1, max + 1]) {
      expect(complaintAbout({ ...REQUIRED, [name]: String(value) })).toMatch(
        new RegExp(`^${name}: expected `, 'm'),
      );
    }
  });

  test('gives a range for every number', () => {
    const numbers = example.filter(({ value }) => /^\d+$/.test(value)).map(({ name }) => name);
    expect(ranged.map(({ name }) => name)).toEqual(numbers);
  });
});

describe('a key pair', () => {
  let engines: Engines;
  beforeAll(async () => {
    engines = await startEngines();
  });
  afterAll(() => engines.stop());

  function nodeWith(signing: KeyPair, ...listed: KeyPair[]): Promise<TestNode> {
    const publicKeys = Object.fromEntries(listed.map(({ kid, publicPem }) => [kid, publicPem]));
    return startNode({
      env: {
        DATABASE_URL: engines.databaseUrl,
        REDIS_URL: engines.redisUrl,
        JWT_PRIVATE_KEY: signing.privatePem,
        JWT_PUBLIC_KEYS: JSON.stringify(publicKeys),
      },
    });
  }

  test('signs with RS256', async () => {
    const pair = keyPair('RS256');
    const node = await nodeWith(pair, pair);
    const { email, password } = await register(node);
    const { accessToken } = await signIn(node, email, password);
    expect(headerOf(accessToken)).toMatchObject({ alg: 'RS256', kid: pair.kid });
    await request('GET', `${node.url}/auth/me`, { token: accessToken, expect: 200 });
    expect(await node.stop()).toMatchObject({ code: 0 });
  });

  test('signs with ES256, and tokens of an earlier key are valid while that key is listed', async () => {
    const [earlier, current] = [keyPair('ES256'), keyPair('ES256')];
    const first = await nodeWith(earlier, earlier);
    const { email, password } = await register(first);
    const old = await signIn(first, email, password);
    expect(headerOf(old.accessToken)).toMatchObject({ alg: 'ES256', kid: earlier.kid });
    expect(await first.stop()).toMatchObject({ code: 0 });

    const second = await nodeWith(current, earlier, current);
    const me = await request<Me>('GET', `${second.url}/auth/me`, { token: old.accessToken, expect: 200 });
    expect(me.body.session_id).toBe(old.sessionId);
    const fresh = await signIn(second, email, password);
    expect(headerOf(fresh.accessToken)).toMatchObject({ alg: 'ES256', kid: current.kid });
    expect(await second.stop()).toMatchObject({ code: 0 });

    const third = await nodeWith(current, current);
    const refused = await request('GET', `${third.url}/auth/me`, { token: old.accessToken });
    expect(refused).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    await request('GET', `${third.url}/auth/me`, { token: fresh.accessToken, expect: 200 });
    expect(await third.stop()).toMatchObject({ code: 0 });
  });

  test('stops the server when the public keys lack the one that belongs to the private key', () => {
    const [own, other] = [keyPair('ES256'), keyPair('ES256')];
    const keys = { JWT_PRIVATE_KEY: own.privatePem, JWT_PUBLIC_KEYS: JSON.stringify({ a: other.publicPem }) };
    const complaint = complaintAbout({ ...REQUIRED, ...keys });
    expect(complaint).toMatch(
      /^JWT_PUBLIC_KEYS: expected .* the public key of JWT_PRIVATE_KEY, got none that matches$/m,
    );
    expect(complaint).not.toContain('-----BEGIN');
  });
});

function headerOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
}

/** What the server says about settings that it refuses, or an empty text. */
function complaintAbout(settings: Record<string, string>): string {
  try {
    loadConfig(settings);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
