import type { Behaviour, ChatRequestBody } from '../support/ollama-behaviour.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const MS_PER_TOKEN = 8;

/**
 * A model that counts, `1a 2a 3a …`, up to the number in the question. When it is asked to continue an answer, it uses
 * the next letter, so a text shows which node wrote which part.
 */
export function count({ messages }: ChatRequestBody): Behaviour {
  const last = messages.at(-1);
  const begun = last?.role === 'assistant' ? last.content : '';
  const question = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  return { kind: 'answer', tokens: tokensAfter(begun, wanted(question)), paceMs: MS_PER_TOKEN };
}

/** The number up to which a question asks to count. */
export function wanted(question: string): number {
  const digits = /^count to (\d+)/.exec(question)?.[1];
  if (digits === undefined) throw new Error(`this model was asked to "${question}", and it only counts`);
  return Number(digits);
}

function tokensAfter(begun: string, last: number): string[] {
  const written = read(begun);
  const letter = begun === '' ? 0 : (written.at(-1)?.letter ?? 0) + 1;
  const tokens: string[] = [];
  for (let number = written.length + 1; number <= last; number++) {
    tokens.push(`${number === 1 ? '' : ' '}${number}${LETTERS[letter % LETTERS.length]}`);
  }
  return tokens;
}

/** The tokens of an answer, each with the index of its letter in the alphabet and the offset of its end. */
export function read(text: string): { number: number; letter: number; end: number }[] {
  return [...text.matchAll(/ ?(\d+)([a-z])/g)].map((match) => ({
    number: Number(match[1]),
    letter: LETTERS.indexOf(match[2] ?? ''),
    end: match.index + match[0].length,
  }));
}

/** The fault in an answer that ended as `complete`, or undefined. */
export function faultOfText(text: string, last: number, takeovers: readonly number[]): string | undefined {
  const tokens = read(text);
  if (
    tokens.length !== last ||
    tokens.some(({ number }, index) => number !== index + 1) ||
    tokens.at(-1)?.end !== text.length
  )
    return `is not the count to ${last}`;
  for (const offset of takeovers) {
    const before = tokens.findLast(({ end }) => end <= offset);
    const after = tokens.find(({ end }) => end > offset);
    if (before !== undefined && after !== undefined && after.letter <= before.letter)
      return `goes on behind ${offset} as the node wrote that had lost the run`;
  }
  return undefined;
}
