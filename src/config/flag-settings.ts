import { z } from 'zod';
import { FLAG_NAMES, type FlagName, type FlagValue } from './flags.js';

const PREFIX = 'FLAG_';

type FlagSetting = `FLAG_${Uppercase<FlagName>}`;

/** A flag that is on or off for everybody. */
export function switchFlag() {
  return z
    .string()
    .regex(/^(true|false)$/, 'true or false')
    .default('false')
    .transform((value): FlagValue => ({ enabled: value === 'true', percent: 100 }));
}

/** A flag that can be on for a share of the users. */
export function percentFlag() {
  return z
    .string()
    .regex(/^(true|false|\d{1,2}|100)$/, 'true, false or a percentage from 0 to 100')
    .default('false')
    .transform((value): FlagValue => {
      if (value === 'true' || value === 'false') return { enabled: value === 'true', percent: 100 };
      return { enabled: Number(value) > 0, percent: Number(value) };
    });
}

/** The value of each flag unless an administrator sets another. */
export function readFlags(environment: Record<FlagSetting, FlagValue>): Record<FlagName, FlagValue> {
  const values = FLAG_NAMES.map((name) => [name, environment[settingOf(name)]]);
  return Object.fromEntries(values) as Record<FlagName, FlagValue>;
}

/** A misspelled flag would silently not be set: each gets a line that lists the flags that exist. */
export function unknownFlags(given: Record<string, unknown>): string[] {
  const known: string[] = FLAG_NAMES.map(settingOf);
  const unknown = Object.keys(given).filter((name) => name.startsWith(PREFIX) && !known.includes(name));
  return unknown.map((name) => `${name}: expected one of ${known.join(', ')}, got a flag of another name`);
}

function settingOf(name: FlagName): FlagSetting {
  return `${PREFIX}${name.toUpperCase() as Uppercase<FlagName>}`;
}
