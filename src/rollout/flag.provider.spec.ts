import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Client, OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { randomUUID } from 'node:crypto';
import { loadConfig } from '../config/config.js';
import { FeatureFlagService } from './feature-flag.service.js';
import { statesOf } from './flag-record.js';
import { FlagProvider } from './flag.provider.js';
import { FLAG_NAMES } from '../config/flags.js';

const config = loadConfig({
  DATABASE_URL: 'postgres://127.0.0.1/db',
  REDIS_URL: 'redis://127.0.0.1',
  JWT_SECRET: 's'.repeat(32),
  FLAG_LEGACY_COOKIE: 'true',
});

function stored(values: Record<string, { enabled: boolean; percent: number }>): Record<string, string> {
  const who = { updated_at: '2026-01-01T00:00:00.000Z', updated_by: randomUUID() };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, JSON.stringify({ ...value, ...who })]),
  );
}

describe('flags in OpenFeature', () => {
  let provider: FlagProvider;
  let flags: FeatureFlagService;
  let client: Client;

  beforeEach(async () => {
    provider = new FlagProvider(config);
    flags = new FeatureFlagService(provider);
    await OpenFeature.setProviderAndWait('spec', provider);
    client = OpenFeature.getClient('spec');
  });

  afterEach(() => OpenFeature.clearProviders());

  it('have the same value as in isEnabled, for every flag and user', async () => {
    provider.replace(statesOf(config.flags, stored({ ticket_required: { enabled: true, percent: 40 } })));
    const users = Array.from({ length: 200 }, () => randomUUID());
    const on = new Set<boolean>();
    for (const targetingKey of users) {
      for (const name of FLAG_NAMES) {
        const answer = await client.getBooleanValue(name, false, { targetingKey });
        expect([name, answer]).toEqual([name, flags.isEnabled(name, targetingKey)]);
      }
      on.add(flags.isEnabled('ticket_required', targetingKey));
    }
    expect(on.size).toBe(2);
  });

  it('have the default of the caller when there is no such flag', async () => {
    expect(await client.getBooleanDetails('no_such_flag', true)).toMatchObject({
      value: true,
      errorCode: 'FLAG_NOT_FOUND',
    });
    expect(await client.getStringDetails('legacy_cookie', 'x')).toMatchObject({
      value: 'x',
      errorCode: 'TYPE_MISMATCH',
    });
  });

  it('have a reason: the settings, an administrator, a share, or the last known value', async () => {
    const reasonOf = async (name: string) => (await client.getBooleanDetails(name, false)).reason;
    provider.replace(
      statesOf(
        config.flags,
        stored({
          ticket_required: { enabled: true, percent: 40 },
          legacy_subprotocol: { enabled: true, percent: 100 },
        }),
      ),
    );
    const names = ['legacy_cookie', 'legacy_subprotocol', 'ticket_required'];
    expect(await Promise.all(names.map(reasonOf))).toEqual(['DEFAULT', 'STATIC', 'SPLIT']);
    provider.keep('Redis is down');
    expect(await Promise.all(names.map(reasonOf))).toEqual(['STALE', 'STALE', 'STALE']);
    expect(flags.isEnabled('legacy_subprotocol')).toBe(true);
  });

  it('are all off until Redis was read, even those that the settings switch on', async () => {
    const heard: unknown[] = [];
    client.addHandler(ProviderEvents.ConfigurationChanged, (change) => heard.push(change?.flagsChanged));
    expect(FLAG_NAMES.filter((name) => flags.isEnabled(name))).toEqual([]);
    provider.keep('Redis is down');
    expect(await client.getBooleanValue('legacy_cookie', true)).toBe(false);
    provider.replace(statesOf(config.flags, {}));
    expect(FLAG_NAMES.filter((name) => flags.isEnabled(name))).toEqual(['legacy_cookie']);
    expect(heard).toEqual([['legacy_cookie']]);
  });

  it('emit an event for each change and no other, and one when they become stale', () => {
    const heard: unknown[] = [];
    client.addHandler(ProviderEvents.ConfigurationChanged, (change) => heard.push(change?.flagsChanged));
    client.addHandler(ProviderEvents.Stale, () => heard.push('stale'));
    const texts = stored({ legacy_cookie: { enabled: false, percent: 100 } });
    provider.replace(statesOf(config.flags, texts));
    provider.replace(statesOf(config.flags, texts));
    provider.keep('Redis is down');
    provider.keep('Redis is down');
    provider.replace(statesOf(config.flags, texts));
    provider.replace(statesOf(config.flags, {}));
    expect(heard).toEqual([['legacy_cookie'], 'stale', ['legacy_cookie']]);
    expect(flags.isEnabled('legacy_cookie')).toBe(true);
  });
});

describe('a flag record in Redis', () => {
  it.each([
    ['that is not JSON', '{'],
    ['that is empty', ''],
    ['of another shape', '{"enabled":"yes"}'],
    ['with a share above 100', '{"enabled":true,"percent":101,"updated_at":"","updated_by":""}'],
  ])('%s leaves the default', (_what, text) => {
    const { legacy_cookie, ticket_required } = statesOf(config.flags, {
      legacy_cookie: text,
      ticket_required: text,
      flag_of_tomorrow: text,
    });
    expect(legacy_cookie).toEqual({ enabled: true, percent: 100, source: 'default' });
    expect(ticket_required).toEqual({ enabled: false, percent: 100, source: 'default' });
  });

  it('cannot give a share to a flag that knows only on and off', () => {
    const texts = stored({ legacy_subprotocol: { enabled: true, percent: 10 } });
    expect(statesOf(config.flags, texts).legacy_subprotocol).toMatchObject({ enabled: true, percent: 100 });
  });
});
