import { describe, expect, it } from '@jest/globals';
import { MAX_TURNS, MAX_TURNS_LENGTH, turnsOf } from './turns.js';

describe('turnsOf', () => {
  it('puts each answer after its question, oldest first', () => {
    const turns = turnsOf([
      { question: 'third', answer: null },
      { question: 'second', answer: null },
      { question: 'first', answer: 'answer' },
    ]);
    expect(turns.map(({ content }) => content)).toEqual(['first', 'answer', 'second', 'third']);
    expect(turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'user']);
  });

  it('keeps the newest turns when there are too many', () => {
    const exchanges = Array.from({ length: 50 }, (_, age) => ({
      question: `q${age}`,
      answer: age === 0 ? null : `a${age}`,
    }));
    const turns = turnsOf(exchanges);
    expect(turns).toHaveLength(MAX_TURNS);
    expect(turns.at(-1)?.content).toBe('q0');
    expect(turns.at(0)?.content).toBe('a20');
  });

  it('leaves out older turns when the text would be too long', () => {
    const turns = turnsOf([
      { question: 'now', answer: null },
      { question: 'before', answer: 'x'.repeat(MAX_TURNS_LENGTH - 3) },
    ]);
    expect(turns.map(({ role }) => role)).toEqual(['assistant', 'user']);
  });

  it('keeps a question that alone is longer than the limit', () => {
    const question = 'x'.repeat(MAX_TURNS_LENGTH + 1);
    expect(turnsOf([{ question, answer: null }])).toEqual([{ role: 'user', content: question }]);
  });
});
