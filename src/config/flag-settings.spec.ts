import { describe, expect, it } from '@jest/globals';
import { complaintOf, REQUIRED } from '../../test/support/settings.js';
import { FLAG_NAMES } from './flags.js';
import { loadConfig } from './config.js';

const flagsOf = (settings: Record<string, string>) => loadConfig({ ...REQUIRED, ...settings }).flags;
const complaintAboutFlags = (settings: Record<string, string>) => complaintOf(() => flagsOf(settings));

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
    expect(complaintAboutFlags({ [name]: text })).toMatch(
      new RegExp(`^The settings cannot be used.\n${name}: expected true.* or .*, got "${text}"$`),
    ),
  );

  it('refuse an unknown flag and list the known ones, together with every other fault', () => {
    const complaint = complaintAboutFlags({ FLAG_LEGACY_COOKIES: 'true', PORT: 'x' });
    expect(complaint).toMatch(/^PORT: expected/m);
    expect(complaint).toMatch(/^FLAG_LEGACY_COOKIES: expected one of .*FLAG_LEGACY_COOKIE,.*, got /m);
    for (const name of FLAG_NAMES) expect(complaint).toContain(`FLAG_${name.toUpperCase()}`);
  });
});
