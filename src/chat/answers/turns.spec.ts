import { describe, expect, it } from '@jest/globals';
import { NO_ANSWER } from '../../responder/contract/responder.js';
import { estimatedTokens, turnsOf } from './turns.js';

const LARGE = 1_000_000;

describe('turnsOf', () => {
  it('puts the oldest turn first and the question last', () => {
    const turns = turnsOf(
      [
        { question: 'third', answer: null },
        { question: 'first', answer: 'answer' },
      ],
      LARGE,
    );
    expect(turns).toEqual([
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'answer' },
      { role: 'user', content: 'third' },
    ]);
  });

  it('alternates whatever had no answer', () => {
    const turns = turnsOf(
      [
        { question: 'now', answer: null },
        { question: 'failed', answer: null },
        { question: 'answered', answer: 'yes' },
        { question: 'cancelled', answer: null },
      ],
      LARGE,
    );
    expect(turns).toEqual([
      { role: 'user', content: 'cancelled' },
      { role: 'assistant', content: NO_ANSWER },
      { role: 'user', content: 'answered' },
      { role: 'assistant', content: 'yes' },
      { role: 'user', content: 'failed' },
      { role: 'assistant', content: NO_ANSWER },
      { role: 'user', content: 'now' },
    ]);
  });

  it.each([1, 2, 7, 25])('begins with the user when only %d exchanges are within the budget', (count) => {
    const exchanges = Array.from({ length: 30 }, (_, age) => ({
      question: `q${String(age).padStart(2, '0')}`,
      answer: age === 0 ? null : `a${String(age).padStart(2, '0')}`,
    }));
    const turns = turnsOf(exchanges, 2 * count - 1);
    expect(turns).toHaveLength(2 * count - 1);
    expect(turns.map(({ role }) => role)).toEqual(
      turns.map((_, at) => (at % 2 === 0 ? 'user' : 'assistant')),
    );
    expect(turns.at(-1)?.content).toBe('q00');
  });

  it('keeps a question that alone is over the budget, whole', () => {
    const question = 'x'.repeat(400);
    expect(
      turnsOf(
        [
          { question, answer: null },
          { question: 'a', answer: 'b' },
        ],
        10,
      ),
    ).toEqual([{ role: 'user', content: question }]);
  });

  it('counts other writing than English as more tokens', () => {
    expect(estimatedTokens('four')).toBe(2);
    expect(estimatedTokens('四四四四')).toBe(4);
  });
});
