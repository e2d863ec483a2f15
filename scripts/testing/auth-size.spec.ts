import { describe, expect, it } from '@jest/globals';
import { codeLines, codeLinesIn } from './auth-size.js';

/**
 * All of `src/auth` and `src/ticket` except the old ways: 1437 lines when this was set, and a tenth; 140 for recording
 * each ticket that expires, 10 for burning those that other nodes do not know yet, and 110 for what administrators
 * change of accounts, which decide nothing about a credential.
 */
const BUDGET = 1950;
/** The guards only ask: whoever adds a decision to one of them needs more lines than this. */
const GUARD_BUDGETS = { 'src/auth/http-auth.guard.ts': 40, 'src/auth/ws-auth.guard.ts': 15 };

const ADVICE =
  'Code that decides is read by everybody who must trust it. Look for the second concept and move it to its own room, ' +
  'or remove what the change made needless; raise the budget in scripts/testing/auth-size.spec.ts only with a reason in the commit.';

/** Fails with the numbers, the largest files and what to do. */
function requireAtMost(budget: number, lines: Map<string, number>): void {
  const total = [...lines.values()].reduce((sum, count) => sum + count, 0);
  if (total <= budget) return;
  const largest = [...lines].sort(([, a], [, b]) => b - a).slice(0, 5);
  const named = largest.map(([file, count]) => `${file} ${count}`).join(', ');
  throw new Error(`expected at most ${budget} lines of code, got ${total} (${named}). ${ADVICE}`);
}

describe('the code that decides who comes in', () => {
  it('stays within its budget of lines', () => {
    requireAtMost(BUDGET, new Map([...codeLinesIn('src/auth'), ...codeLinesIn('src/ticket')]));
  });

  it.each(Object.entries(GUARD_BUDGETS))('%s only asks the one service', (file, budget) => {
    const lines = codeLinesIn('src/auth').get(file);
    if (lines === undefined) throw new Error(`${file} is not there: name the guard that took its place`);
    requireAtMost(budget, new Map([[file, lines]]));
  });
});

describe('codeLines', () => {
  it('counts neither blanks, nor comments, nor imports', () => {
    const text = [
      '/** A comment. */',
      "import { a } from './a.js';",
      'import {',
      '  b,',
      "} from './b.js';",
      '',
      '/**',
      ' * More of it.',
      ' */',
      'export function f(): string {',
      '  // Why.',
      "  return 'https://a.test/*'; // counted",
      '}',
    ];
    expect(codeLines(text.join('\n'))).toBe(3);
  });
});
