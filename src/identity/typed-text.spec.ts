import { describe, expect, it } from '@jest/globals';
import { normalEmail, normalPassword } from './typed-text.js';

describe('an e-mail address', () => {
  it.each([
    'user@example.test',
    ' User@Example.TEST ',
    'user@example.test\u00a0',
    '\u200buser@example.test\n',
  ])('%j is one of the same account', (typed) => expect(normalEmail(typed)).toBe('user@example.test'));
});

describe('a password', () => {
  it('is the same in whichever form the keyboard gives it', () => {
    expect(normalPassword('Zu\u0308rich\u00a0am See')).toBe('Z\u00fcrich am See');
  });

  it('keeps its case, and the white space around it', () => {
    expect(normalPassword(' Secret ')).toBe(' Secret ');
  });
});
