import { z } from 'zod';
import { FLAG_NAMES, FLAGS, type FlagName, type FlagValue } from '../config/flags.js';

/** What an administrator has set, as stored in Redis. */
export interface FlagRecord extends FlagValue {
  readonly updated_at: string;
  /** Id of the administrator. */
  readonly updated_by: string;
}

/** A flag as this node applies it. */
export interface FlagState extends FlagValue {
  readonly source: 'default' | 'runtime';
  readonly updatedAt?: string;
  readonly updatedBy?: string;
}

export type FlagStates = Readonly<Record<FlagName, FlagState>>;

const recordSchema = z.object({
  enabled: z.boolean(),
  percent: z.int().min(0).max(100),
  updated_at: z.string(),
  updated_by: z.string(),
});

/** The record in a text, or `undefined` if the text is not a valid record. */
export function readRecord(json: string | null | undefined): FlagRecord | undefined {
  if (json === null || json === undefined) return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(json)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The flags as the settings define them. */
export function defaultStates(defaults: Readonly<Record<FlagName, FlagValue>>): FlagStates {
  return statesOf(defaults, {});
}

/**
 * The flags of the settings, changed by those in Redis. A name that this program does not know belongs to another
 * version and is ignored.
 */
export function statesOf(
  defaults: Readonly<Record<FlagName, FlagValue>>,
  stored: Readonly<Record<string, string>>,
): FlagStates {
  const states = FLAG_NAMES.map((name): [FlagName, FlagState] => {
    const record = readRecord(stored[name]);
    if (record === undefined) return [name, { ...defaults[name], source: 'default' }];
    const { enabled, percent, updated_at: updatedAt, updated_by: updatedBy } = record;
    // A switch has no share, even if its record in Redis has one.
    const share = FLAGS[name].kind === 'switch' ? 100 : percent;
    return [name, { enabled, percent: share, source: 'runtime', updatedAt, updatedBy }];
  });
  return Object.fromEntries(states) as Record<FlagName, FlagState>;
}

/** Names of flags whose text in Redis is not a valid record; they keep their default. */
export function unreadable(stored: Readonly<Record<string, string>>): FlagName[] {
  return FLAG_NAMES.filter((name) => stored[name] !== undefined && readRecord(stored[name]) === undefined);
}
