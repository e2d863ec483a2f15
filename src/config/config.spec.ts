import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from './config.js';

const needed = {
  DATABASE_URL: 'postgres://u:dbpass@127.0.0.1/db',
  REDIS_URL: 'redis://127.0.0.1:6379',
  JWT_SECRET: 's'.repeat(32),
};
const messageOf = (environment: Record<string, string | undefined>) => {
  try {
    loadConfig({ ...needed, ...environment });
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

describe('loadConfig', () => {
  it('has the defaults of the contract', () => {
    const config = loadConfig(needed);
    expect(config).toMatchObject({
      port: 8000,
      publicUrl: 'http://localhost:8000',
      accessTokenTtlSeconds: 900,
      sessionTtlSeconds: 1800,
      sessionMaxSeconds: 43_200,
      ticketTtlSeconds: 30,
      heartbeatSeconds: 30,
      maxConnectionsPerSession: 5,
      maxConnectionsPerUser: 20,
      registration: 'closed',
      responder: 'builtin',
      runs: { perNode: 1000, perUser: 4 },
      drainSeconds: 20,
      trustProxy: false,
      limits: {
        requestsPerAddress: 600,
        upgradesPerAddress: 600,
        loginsPerAccount: 10,
        ticketsPerUser: 30,
        ticketsOutstandingPerUser: 20,
        messagesPerUser: 100,
      },
    });
    expect([...config.allowedOrigins]).toEqual(['http://localhost:8000']);
  });

  it('treats an empty variable as not set', () => {
    expect(loadConfig({ ...needed, PORT: '', PUBLIC_URL: '' }).port).toBe(8000);
  });

  it.each<[string, string | undefined]>([
    ['DATABASE_URL', undefined],
    ['DATABASE_URL', 'mysql://a/b'],
    ['REDIS_URL', 'http://a'],
    ['JWT_SECRET', undefined],
    ['JWT_SECRET', 's'.repeat(31)],
    ['PORT', '65536'],
    ['PORT', '8e3'],
    ['PUBLIC_URL', 'http://chat.example.com'],
    ['ALLOWED_ORIGINS', 'https://a.example/path'],
    ['ALLOWED_ORIGINS', '*'],
    ['ALLOWED_ORIGINS', 'null'],
    ['WS_TICKET_TTL_SECONDS', '4'],
    ['WS_TICKET_TTL_SECONDS', '121'],
    ['REGISTRATION', 'yes'],
    ['METRICS_TOKEN', 'short'],
  ])('refuses %s=%s with a line that names it and what was expected', (name, value) => {
    const lines = messageOf({ [name]: value }).split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(new RegExp(`^${name}: expected .+, got .+`));
  });

  it('reports all faults at once, and shows no secret', () => {
    const message = messageOf({ PORT: 'x', JWT_SECRET: 'short-secret', DATABASE_URL: 'mysql://u:dbpass@h' });
    for (const name of ['PORT', 'JWT_SECRET', 'DATABASE_URL']) expect(message).toContain(`${name}: expected`);
    expect(message).not.toMatch(/short-secret|dbpass/);
  });

  it.each<[string, unknown]>([
    ['true', true],
    ['2', 2],
    ['10.0.0.0/8, 127.0.0.1', ['10.0.0.0/8', '127.0.0.1']],
  ])('reads TRUST_PROXY=%s', (value, trust) => {
    expect(loadConfig({ ...needed, TRUST_PROXY: value }).trustProxy).toEqual(trust);
  });

  it('signs with a key pair when one is set, under the id of its public key', () => {
    const pair = (type: 'ec') => generateKeyPairSync(type, { namedCurve: 'prime256v1' });
    const [own, old] = [pair('ec'), pair('ec')];
    const pem = (key: typeof own.publicKey) => key.export({ type: 'spki', format: 'pem' }).toString();
    const JWT_PRIVATE_KEY = own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const keys = { old: pem(old.publicKey), own: pem(own.publicKey) };
    const { jwt } = loadConfig({ ...needed, JWT_PRIVATE_KEY, JWT_PUBLIC_KEYS: JSON.stringify(keys) });
    expect([jwt.algorithm, jwt.signing.kid, [...jwt.verifying.keys()]]).toEqual([
      'ES256',
      'own',
      ['old', 'own'],
    ]);
    const others = JSON.stringify({ old: keys.old });
    expect(messageOf({ JWT_PRIVATE_KEY, JWT_PUBLIC_KEYS: others })).toContain('none that matches');
  });
});
