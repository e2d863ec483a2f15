import { describe, expect, it } from '@jest/globals';
import { FLAG_NAMES } from './flags.js';
import { ConfigError, loadConfig } from './config.js';

const needed = {
  DATABASE_URL: 'postgres://127.0.0.1/db',
  REDIS_URL: 'redis://127.0.0.1',
  JWT_SECRET: 's'.repeat(32),
};
const flagsOf = (settings: Record<string, string>) => loadConfig({ ...needed, ...settings }).flags;
const complaintAbout = (settings: Record<string, string>) => {
  try {
    flagsOf(settings);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
};

describe('the flag settings', () => {
  it('are all off by default', () => {
    expect(Object.keys(flagsOf({}))).toEqual(FLAG_NAMES);
    for (const { enabled } of Object.values(flagsOf({}))) expect(enabled).toBe(false);
  });

  it.each(FLAG_NAMES)('switch %s alone', (name) => {
    const flags = flagsOf({ [`FLAG_${name.toUpperCase()}`]: 'true' });
    expect(FLAG_NAMES.filter((other) => flags[other].enabled)).toEqual([name]);
  });

  it.each([
    ['true', { enabled: true, percent: 100 }],
    ['false', { enabled: false, percent: 100 }],
    ['25', { enabled: true, percent: 25 }],
    ['0', { enabled: false, percent: 0 }],
    ['100', { enabled: true, percent: 100 }],
  ])('read FLAG_TICKET_REQUIRED=%s', (text, value) =>
    expect(flagsOf({ FLAG_TICKET_REQUIRED: text }).ticket_required).toEqual(value),
  );

  it.each([
    ['FLAG_TICKET_REQUIRED', '101'],
    ['FLAG_TICKET_REQUIRED', '-1'],
    ['FLAG_TICKET_REQUIRED', '12.5'],
    ['FLAG_TICKET_REQUIRED', 'yes'],
    ['FLAG_LEGACY_COOKIE', '50'],
    ['FLAG_LEGACY_COOKIE', 'TRUE'],
  ])('refuse %s=%s with a line of its own', (name, text) =>
    expect(complaintAbout({ [name]: text })).toMatch(
      new RegExp(`^The settings cannot be used.\n${name}: expected true.* or .*, got "${text}"$`),
    ),
  );

  it('refuse an unknown flag and list the known ones, together with every other fault', () => {
    const complaint = complaintAbout({ FLAG_LEGACY_COOKIES: 'true', PORT: 'x' });
    expect(complaint).toMatch(/^PORT: expected/m);
    expect(complaint).toMatch(/^FLAG_LEGACY_COOKIES: expected one of .*FLAG_LEGACY_COOKIE,.*, got /m);
    for (const name of FLAG_NAMES) expect(complaint).toContain(`FLAG_${name.toUpperCase()}`);
  });
});
