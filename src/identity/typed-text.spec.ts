import { describe, expect, it } from '@jest/globals';
import { normalEmail, normalPassword } from './typed-text.js';

describe('normalEmail', () => {
  it.each([
    'user@example.test',
    ' User@Example.TEST ',
    'user@example.test\u00a0',
    '\u200buser@example.test\n',
  ])('maps %j to the same account', (typed) => expect(normalEmail(typed)).toBe('user@example.test'));
});

describe('normalPassword', () => {
  it('returns the same password for every Unicode form of it', () => {
    expect(normalPassword('Zu\u0308rich\u00a0am See')).toBe('Z\u00fcrich am See');
  });

  it('keeps case and surrounding white space', () => {
    expect(normalPassword(' Secret ')).toBe(' Secret ');
  });
});
