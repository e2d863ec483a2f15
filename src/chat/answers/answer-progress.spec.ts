import { describe, expect, it } from '@jest/globals';
import { AnswerProgress, type ProgressFrame } from './answer-progress.js';

const told = (progress: AnswerProgress, nowMs: number): ProgressFrame['data'] | undefined =>
  progress.take(nowMs)?.data;
const begin = (showsThoughts = false): AnswerProgress =>
  new AnswerProgress('run', 'conversation', () => 7, showsThoughts, 0);

describe('AnswerProgress', () => {
  it('tells of a wait after a second, and then every four', () => {
    const progress = begin();
    expect(told(progress, 999)).toBeUndefined();
    expect(told(progress, 1000)).toEqual({ run_id: 'run', state: 'waiting', elapsed_ms: 7 });
    expect(told(progress, 4999)).toBeUndefined();
    expect(told(progress, 5000)?.state).toBe('waiting');
  });

  it('tells of thoughts at once, without them', () => {
    const progress = begin();
    progress.enter('thinking', 'hm', 100);
    expect(told(progress, 100)).toEqual({ run_id: 'run', state: 'thinking', elapsed_ms: 7 });
  });

  it('tells thoughts in pieces where they are shown, and all of them to late comers', () => {
    const progress = begin(true);
    progress.enter('thinking', 'one ', 100);
    expect(told(progress, 100)?.thinking).toEqual({ offset: 0, text: 'one ' });
    progress.enter('thinking', 'two ', 110);
    progress.enter('thinking', 'three', 120);
    expect(told(progress, 309)).toBeUndefined();
    expect(told(progress, 310)?.thinking).toEqual({ offset: 4, text: 'two three' });
    expect(progress.latest.data.thinking).toEqual({ offset: 0, text: 'one two three' });
  });

  it('says nothing while text comes, and tells of a silence after it', () => {
    const progress = begin();
    progress.wrote(500);
    progress.wrote(3000);
    expect(progress.isWriting).toBe(true);
    expect(told(progress, 6999)).toBeUndefined();
    expect(told(progress, 7000)?.state).toBe('waiting');
    expect(progress.isWriting).toBe(false);
  });
});
