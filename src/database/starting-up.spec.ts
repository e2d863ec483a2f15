import { describe, expect, it } from '@jest/globals';
import { QueryFailedError } from 'typeorm';
import { isStartingUp } from './starting-up.js';

describe('a Postgres that refuses connections', () => {
  const refusal = (message: string, code = '57P03') => Object.assign(new Error(message), { code });

  it.each(['the database system is starting up', 'the database system is in recovery mode'])(
    'is starting when it says so: %s',
    (message) => {
      expect(isStartingUp(refusal(message))).toBe(true);
      expect(isStartingUp(new QueryFailedError('SELECT 1', [], refusal(message)))).toBe(true);
    },
  );

  it('counts as down when it is shutting down or does not answer', () => {
    expect(isStartingUp(refusal('the database system is shutting down'))).toBe(false);
    expect(isStartingUp(refusal('connect ECONNREFUSED', 'ECONNREFUSED'))).toBe(false);
    expect(isStartingUp(undefined)).toBe(false);
  });
});
