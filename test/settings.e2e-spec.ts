import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IssuedTicket, Me, SignIn } from '../protocol/resources.js';
import { SERVER_ENTRY } from '../scripts/project.js';
import { loadConfig } from '../src/config/config.js';
import { type Engines, startEngines } from './support/engines.js';
import { readExample } from './support/env-example.js';
import { request } from './support/http.js';
import { keyPair, type KeyPair } from './support/key-pair.js';
import { startNode, type TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { rememberSecret } from './support/secrets.js';
import { complaintOf } from './support/settings.js';
import { TestSocket } from './support/socket.js';
import { register, remembered, signIn } from './support/user.js';

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
  const code = await Promise.race([ended, sleep(45_000, 'still running' as const, { ref: false })]);
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
    [
      'a wildcard within an origin',
      { ALLOWED_ORIGINS: 'https://a.example,https://*.example.com' },
      /^ALLOWED_ORIGINS: expected origins .*"https:\/\/\*\.example\.com" has a wildcard.*, got/m,
    ],
    ['a port that is not a number', { PORT: 'abc' }, /^PORT: expected a whole number, got "abc"$/m],
    [
      'an unknown responder',
      { RESPONDER: 'oracle' },
      /^RESPONDER: expected .*"builtin".*"ollama".*, got "oracle"$/m,
    ],
    ['an invalid key', { JWT_PRIVATE_KEY: 'not-a-key' }, /^JWT_PRIVATE_KEY: expected a PEM key, got/m],
    [
      'invalid public keys',
      { JWT_PUBLIC_KEYS: '{"a":"not-a-key"}' },
      /^JWT_PUBLIC_KEYS: expected a PEM key, got/m,
    ],
    [
      'a short key',
      { JWT_PRIVATE_KEY: shortRsaKey() },
      /^JWT_PRIVATE_KEY: expected an RSA key of 2048 bits or more, .*, got rsa 1024 bits$/m,
    ],
    ['an unknown proxy', { TRUST_PROXY: 'banana' }, /^TRUST_PROXY: expected true, false, .*, got "banana"$/m],
    [
      'a secret in Latin-1',
      { JWT_SECRET: `a-secret-of \ufffd${'x'.repeat(40)}` },
      /^JWT_SECRET: expected text in UTF-8, got \d+ bytes/m,
    ],
    [
      'a secret with a line break',
      { JWT_SECRET: `a-secret-of ${'x'.repeat(40)}\n` },
      /^JWT_SECRET: expected text without white space around it.*, got \d+ bytes/m,
    ],
    [
      'a token that does not fit into a header',
      { METRICS_TOKEN: 'hidden-word with blanks' },
      /^METRICS_TOKEN: expected 16 to 1024 .*, got \d+ bytes/m,
    ],
  ])('has a line of its own, without secrets: %s', (_case, wrong, line) => {
    const complaint = complaintOf(() => loadConfig({ ...REQUIRED, ...wrong }));
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
        ALLOWED_ORIGINS: 'https://*.example.com',
        TRUST_PROXY: 'banana',
        WS_TICKET_TTL_SECONDS: '4',
        PORT: 'abc',
        RESPONDER: 'oracle',
      },
    ],
  ])('stops the server before it starts, when %s', async (_case, wrong) => {
    const settings = { ...REQUIRED, ...wrong };
    const { code, written } = await startWith(settings);
    expect(code).toBe(1);
    expect(written.trim()).toBe(complaintOf(() => loadConfig(settings)));
    for (const secret of SECRETS) expect(written).not.toContain(secret);
  });

  const ABSURD = [
    ' ',
    'banana',
    '-1',
    '1e3',
    '0x10',
    '1.5',
    ' 5 ',
    '5\n',
    'b\u00e4d \ufffd',
    '9'.repeat(400),
  ];
  /** What else than a sensible value some settings take: names are free. */
  const TAKEN: Record<string, string[]> = {
    HOST: ['banana', '-1', '1e3', '0x10', '1.5'],
    NODE_NAME: ['banana', '-1', '1e3', '0x10', '1.5'],
    JWT_ISSUER: ['banana', '-1', '1e3', '0x10', '1.5'],
    JWT_AUDIENCE: ['banana', '-1', '1e3', '0x10', '1.5'],
    OLLAMA_MODEL: ['banana', '-1', '1e3', '0x10', '1.5'],
    OPENAI_MODEL: ['banana', '-1', '1e3', '0x10', '1.5'],
    OPENAI_API_KEY: ['banana', '-1', '1e3', '0x10', '1.5', '9'.repeat(400)],
    SYSTEM_PROMPT: ['banana', '-1', '1e3', '0x10', '1.5', ' 5 ', '5\n', '9'.repeat(400)],
    JWT_SECRET: ['9'.repeat(400)],
    METRICS_TOKEN: ['9'.repeat(400)],
  };

  test.each(readExample())('is named, whatever came: $name', ({ name, comment }) => {
    for (const value of ABSURD) {
      const complaint = complaintOf(() => loadConfig({ ...REQUIRED, [name]: value }));
      const lines = complaint.split('\n').slice(1);
      const isTaken = TAKEN[name]?.includes(value) === true;
      expect([value, lines]).toEqual([
        value,
        isTaken ? [] : [expect.stringMatching(new RegExp(`^${name}: expected .+, got .+$`))],
      ]);
      expect(complaint.length).toBeLessThan(600);
    }
    const empty = complaintOf(() => loadConfig({ ...REQUIRED, [name]: '' }));
    const isNeeded = /Required/.test(comment) || name === 'JWT_SECRET';
    if (isNeeded) expect(empty).toMatch(new RegExp(`^${name}: expected .+, got nothing$`, 'm'));
    else expect(empty).toBe('');
  });

  test('does not hide the others', () => {
    const complaint = complaintOf(() =>
      loadConfig({
        ...REQUIRED,
        REDIS_URL: 'http://x',
        PORT: '70000',
        LOG_LEVEL: 'loud',
        JWT_SECRET: '',
      }),
    );
    const named = complaint.split('\n').map((line) => line.split(':')[0]);
    expect(named.slice(1).sort()).toEqual(['JWT_SECRET', 'LOG_LEVEL', 'PORT', 'REDIS_URL']);
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
    for (const value of [min, max])
      expect(complaintOf(() => loadConfig({ ...REQUIRED, [name]: String(value) }))).toBe('');
    for (const value of [min - 1, max + 1]) {
      expect(complaintOf(() => loadConfig({ ...REQUIRED, [name]: String(value) }))).toMatch(
        new RegExp(`^${name}: expected `, 'm'),
      );
    }
  });

  test('gives a range for every number', () => {
    const numbers = example.filter(({ value }) => /^\d+$/.test(value)).map(({ name }) => name);
    expect(ranged.map(({ name }) => name)).toEqual(numbers);
  });
});

describe('a node', () => {
  let engines: Engines;
  beforeAll(async () => {
    engines = await startEngines();
  });
  afterAll(() => engines.stop());

  const shared = () => ({
    DATABASE_URL: engines.databaseUrl,
    REDIS_URL: engines.redisUrl,
    JWT_SECRET: REQUIRED.JWT_SECRET,
  });

  test('that cannot listen, or reach PostgreSQL, says which setting led there', async () => {
    const taken = createServer();
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const { port } = taken.address() as AddressInfo;
    const starts = await Promise.all([
      startWith({ ...shared(), PORT: String(port) }),
      startWith({ ...shared(), DATABASE_URL: REQUIRED.DATABASE_URL }),
    ]);
    taken.close();
    const ends = starts.map(({ code, written }) => {
      const last = JSON.parse(written.trim().split('\n').at(-1) ?? '') as { event: string; error: string };
      return [code, last.event, last.error];
    });
    expect(ends).toEqual([
      [1, 'server.failed_to_start', expect.stringMatching(/^HOST and PORT: .*EADDRINUSE/)],
      [1, 'server.failed_to_start', expect.stringMatching(/^DATABASE_URL: .*ECONNREFUSED/)],
    ]);
    for (const { written } of starts) expect(written).not.toContain('a-password-of');
  });

  test.each(['smallest', 'largest'])('with the %s value of every number lets people in', async (which) => {
    const numbers = readExample().flatMap(({ name, comment }): [string, string][] => {
      const [min, max] = /characters/.test(comment) ? [] : (/(\d+) to (\d+)/.exec(comment) ?? []).slice(1);
      return min === undefined || max === undefined || name === 'PORT'
        ? []
        : [[name, which === 'smallest' ? min : max]];
    });
    expect(numbers.length).toBeGreaterThan(15);
    const origin = 'capacitor://localhost';
    const env = { ...shared(), TRUST_PROXY: '1', DRAIN_SECONDS: '0', ALLOWED_ORIGINS: origin };
    const node = await startNode({ env: { ...Object.fromEntries(numbers), ...env } });
    expect(node.logged('settings.contradict').length).toBeGreaterThan(0);
    // A limit of one request counts by address.
    let count = 0;
    const from = () => ({ 'x-forwarded-for': `192.0.2.${++count}` });
    const account = { email: `${which}@example.test`, password: rememberSecret('a passphrase that is long') };
    const post = <Body>(path: string, body: object, headers = {}) =>
      request<Body>('POST', node.url + path, { body, headers: { ...from(), ...headers } });
    expect((await post('/auth/register', account)).status).toBe(201);
    const { body: signedIn } = await post<SignIn>('/auth/login', account);
    const { accessToken: token } = remembered(signedIn);
    const ticket = await request<IssuedTicket>('POST', `${node.url}/websocket/ticket`, {
      token,
      headers: { ...from(), origin },
      expect: 201,
    });
    expect(ticket.headers.get('access-control-allow-origin')).toBe(origin);
    rememberSecret(ticket.body.ticket);
    const stranger = await rawUpgrade(node, {
      ticket: 'A'.repeat(43),
      origin: 'capacitor://elsewhere',
      headers: from(),
    });
    expect(stranger.problem().code).toBe('origin_not_allowed');
    const socket = await TestSocket.connect(node, { ticket: ticket.body.ticket, origin, headers: from() });
    await socket.next('ready');
    expect((await socket.send('ping', { t: 1 })).type).toBe('pong');
    await socket.close();
    expect(await node.stop()).toMatchObject({ code: 0 });
  });

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

  test('signs with RS256, when it has such a pair', async () => {
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

  test('does not start when the public keys lack the one that belongs to the private key', () => {
    const [own, other] = [keyPair('ES256'), keyPair('ES256')];
    const keys = { JWT_PRIVATE_KEY: own.privatePem, JWT_PUBLIC_KEYS: JSON.stringify({ a: other.publicPem }) };
    const complaint = complaintOf(() => loadConfig({ ...REQUIRED, ...keys }));
    expect(complaint).toMatch(
      /^JWT_PUBLIC_KEYS: expected .* the public key of JWT_PRIVATE_KEY, got none that matches$/m,
    );
    expect(complaint).not.toContain('-----BEGIN');
  });
});

function shortRsaKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function headerOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
}

/** What the server says about settings that it refuses, or an empty text. */
function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
