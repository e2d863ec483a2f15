import { describe, expect, it } from '@jest/globals';
import { isCommonPassword } from './common-passwords.js';
import { hashPassword, isPasswordRight } from './password.js';

describe('passwords', () => {
  it('are hashed with argon2id as OWASP recommends, with a different hash each time', async () => {
    const hashes = [await hashPassword('a passphrase'), await hashPassword('a passphrase')];
    for (const hash of hashes) expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  it('are compared in full length, and never match without an account', async () => {
    const long = 'x'.repeat(100);
    const hash = await hashPassword(long);
    expect(await isPasswordRight(hash, [long])).toBe(true);
    expect(await isPasswordRight(hash, [`${long.slice(0, 99)}y`])).toBe(false);
    expect(await isPasswordRight(undefined, ['nobody has this password'])).toBe(false);
  });

  it.each(['passwordpassword', 'PasswordPassword', 'qwertyuiop123', 'zzzzzzzzzzzzzz', '🙂🙂🙂🙂🙂🙂'])(
    'are refused if they are common: %s',
    (password) => expect(isCommonPassword(password)).toBe(true),
  );

  it('are accepted if they are not common', () => {
    expect(isCommonPassword('three words of mine')).toBe(false);
  });
});
