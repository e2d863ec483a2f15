import { parseArgs } from 'node:util';
import { say } from '../scripts/launch-error.js';

/** A whole number that a program takes as `--name 300`. */
export interface NumberOption {
  fallback: number;
  min: number;
  max: number;
}

/**
 * Reads `--name value` options, all of them whole numbers. For `--help` or an unknown option the program prints `help`
 * and ends, with exit code 0 or 2.
 */
export function readOptions<Name extends string>(
  help: string,
  options: Readonly<Record<Name, NumberOption>>,
): Record<Name, number> {
  try {
    const names = Object.keys(options) as Name[];
    const { values } = parseArgs({
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
        help: { type: 'boolean' as const },
      },
    });
    if (values.help === true) {
      say(help);
      process.exit(0);
    }
    const given = values as Readonly<Record<string, string | undefined>>;
    const numbers = names.map((name) => [name, wholeNumber(name, given[name], options[name])]);
    return Object.fromEntries(numbers) as Record<Name, number>;
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}

/** @throws {RangeError} for a text that is no number within the bounds */
export function wholeNumber(
  name: string,
  text: string | undefined,
  { fallback, min, max }: NumberOption,
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new RangeError(`--${name} must be a whole number from ${min} to ${max}, not "${text}"`);
}
