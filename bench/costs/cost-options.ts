import { parseArgs } from 'node:util';
import { say } from '../../scripts/launch-error.js';
import { wholeNumber } from '../bench-options.js';
import type { Sizes } from './sizes.js';

const CROWD = { fallback: 0, min: 100, max: 100_000 };
const ANSWERS = { fallback: 0, min: 1, max: 10_000 };

export interface CostOptions {
  isQuick: boolean;
  /** Also writes the figure of the README. */
  writesFigure: boolean;
  /** Names of measures; empty for all. */
  only: string[];
  /** Instead of the usual sizes: idle connections, and answers at once. */
  sizes: Partial<Pick<Sizes, 'crowd' | 'answers'>>;
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
        answers: { type: 'string' },
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
    const sizes = {
      ...(values.crowd !== undefined && { crowd: wholeNumber('crowd', values.crowd, CROWD) }),
      ...(values.answers !== undefined && { answers: wholeNumber('answers', values.answers, ANSWERS) }),
    };
    return { isQuick: values.quick, writesFigure: values.svg, only, sizes };
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}
