import { parseArgs } from 'node:util';
import { say } from '../../scripts/launch-error.js';
import { wholeNumber } from '../bench-options.js';

export interface CostOptions {
  isQuick: boolean;
  /** Also writes the figure of the README. */
  writesFigure: boolean;
  /** Names of measures; empty for all. */
  only: string[];
  /** Idle connections; 0 for as many as otherwise. */
  crowd: number;
}

/** Reads the options of `npm run bench`. For `--help` or a wrong one it prints `help` and ends, with code 0 or 2. */
export function readCostOptions(help: string, names: readonly string[]): CostOptions {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        svg: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        crowd: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      say(help);
      process.exit(0);
    }
    const only = values.only.split(',').filter((name) => name !== '');
    const unknown = only.filter((name) => !names.includes(name));
    if (unknown.length > 0)
      throw new RangeError(`--only takes ${names.join(', ')}, not "${unknown.join(', ')}"`);
    const crowd = wholeNumber('crowd', values.crowd, { fallback: 0, min: 100, max: 100_000 });
    return { isQuick: values.quick, writesFigure: values.svg, only, crowd };
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}
