import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import { startEngines } from './support/engines.js';
import type { Engines } from './support/engines.js';
import { request } from './support/http.js';
import { keyPair } from './support/key-pair.js';
import { startNode } from './support/node.js';
import type { TestNode } from './support/node.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { headerOf, newSigningSecret } from './support/token.js';
import { as, mintTicket, register, signIn } from './support/user.js';
import type { TestUser } from './support/user.js';

type Settings = Record<string, string>;

const METRICS_TOKEN = 'metrics-token-of-an-environment';

interface Environment {
  name: string;
  algorithm: string;
  /** Origin of its pages. */
  origin: string;
  /** Whether registration is open. */
  isOpen: boolean;
  settings: () => Settings;
}

/** Environments differ only by these settings: every test below passes in each of them. */
const ENVIRONMENTS: Environment[] = [
  {
    name: 'development',
    algorithm: 'HS256',
    origin: 'http://localhost:8000',
    isOpen: true,
    settings: () => ({
      PUBLIC_URL: 'http://localhost:8000',
      JWT_SECRET: newSigningSecret(),
      REGISTRATION: 'open',
    }),
  },
  {
    name: 'staging',
    algorithm: 'ES256',
    origin: 'https://staging.example.test',
    isOpen: false,
    settings: () => ({
      PUBLIC_URL: 'https://staging.example.test',
      ...signingKeys('ES256'),
      JWT_ISSUER: 'https://staging.example.test',
      JWT_AUDIENCE: 'staging',
      REGISTRATION: 'closed',
      TRUST_PROXY: '1',
      METRICS_TOKEN,
      ACCESS_TOKEN_TTL_SECONDS: '60',
      SESSION_TTL_SECONDS: '120',
      SESSION_MAX_SECONDS: '600',
      WS_TICKET_TTL_SECONDS: '5',
      WS_HEARTBEAT_SECONDS: '5',
    }),
  },
  {
    name: 'production',
    algorithm: 'RS256',
    origin: 'https://app.example.test',
    isOpen: false,
    settings: () => ({
      PUBLIC_URL: 'https://chat.example.test',
      ALLOWED_ORIGINS: 'https://chat.example.test,https://app.example.test',
      ...signingKeys('RS256'),
      REGISTRATION: 'closed',
      TRUST_PROXY: '1',
      METRICS_TOKEN,
    }),
  },
];

function signingKeys(algorithm: 'RS256' | 'ES256'): Settings {
  const { kid, privatePem, publicPem } = keyPair(algorithm);
  return { JWT_PRIVATE_KEY: privatePem, JWT_PUBLIC_KEYS: JSON.stringify({ [kid]: publicPem }) };
}

let engines: Engines;
const nodes = new Map<string, TestNode>();

beforeAll(async () => {
  engines = await startEngines();
  const shared = { DATABASE_URL: engines.databaseUrl, REDIS_URL: engines.redisUrl };
  for (const { name, settings } of ENVIRONMENTS)
    nodes.set(name, await startNode({ name, env: { ...shared, ...settings() } }));
});

afterAll(async () => {
  await Promise.all([...nodes.values()].map((node) => node.stop()));
  await engines.stop();
});

function nodeOf(name: string): TestNode {
  const node = nodes.get(name);
  if (node === undefined) throw new Error(`no node of ${name}`);
  return node;
}

describe.each(ENVIRONMENTS)('with the settings of $name', ({ name, algorithm, origin, isOpen }) => {
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    node = nodeOf(name);
    // Where registration is closed, accounts existed before.
    const { email, password } = await register(nodeOf('development'));
    user = await signIn(node, email, password);
  });

  const mint = () => mintTicket(node, user, { origin });

  it('signs tokens with the set algorithm, and registers strangers only if that is allowed', async () => {
    expect(headerOf(user.accessToken)).toMatchObject({ alg: algorithm });
    const body = { email: `new-${name}@example.test`, password: 'a-password-of-a-stranger' };
    const { status } = await request('POST', `${node.url}/auth/register`, { body });
    expect(status).toBe(isOpen ? 201 : 403);
  });

  it('opens a socket for a ticket, once', async () => {
    const { ticket } = await mint();
    const socket = await TestSocket.connect(node, { ticket, origin });
    expect((await socket.next('ready')).data.user).toEqual(user.user);
    const again = await rawUpgrade(node, { ticket, origin });
    expect([again.status, again.problem().code]).toEqual([403, 'ticket_rejected']);
    await socket.close();
  });

  it('opens no socket without a ticket', async () => {
    const answer = await rawUpgrade(node, { origin });
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
  });

  it('opens no socket for a page of another origin', async () => {
    const { ticket } = await mint();
    const answer = await rawUpgrade(node, { ticket, origin: 'https://elsewhere.example.test' });
    expect([answer.status, answer.problem().code]).toEqual([403, 'origin_not_allowed']);
  });

  it('accepts no token but its own', async () => {
    const others = ENVIRONMENTS.filter((other) => other.name !== name);
    for (const other of others) {
      const stranger = await signIn(nodeOf(other.name), user.email, user.password);
      const answer = await as<Problem>(stranger, 'GET', `${node.url}/auth/me`);
      expect([answer.status, answer.body.code]).toEqual([401, 'token_invalid']);
    }
    expect((await request('GET', `${node.url}/auth/me`, { token: 'null' })).status).toBe(401);
    expect((await request('GET', `${node.url}/auth/me`)).status).toBe(401);
  });

  it('closes the sockets of a session that is ended', async () => {
    const leaving = await signIn(node, user.email, user.password);
    const socket = await TestSocket.open(node, leaving, { origin });
    await as(leaving, 'POST', `${node.url}/auth/logout`, { expect: 204 });
    expect(await socket.closes()).toEqual({ code: 4410, reason: 'session_revoked' });
    expect((await as(leaving, 'GET', `${node.url}/auth/me`)).status).toBe(401);
  });
});
