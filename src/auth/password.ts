import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { bulkhead } from 'cockatiel';
import { AppError } from '../errors/app-error.js';
import { normalPassword } from '../identity/typed-text.js';

/** OWASP's first choice for argon2id (the library's default algorithm): 19 MiB, 2 passes, 1 lane. */
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Hashes run beside the event loop, at most two at once: a login storm slows logins, never sockets. */
const hashing = bulkhead(Math.min(2, availableParallelism()), 200);

export const PASSWORD_MIN_LENGTH = 12;
export const PASSWORD_MAX_LENGTH = 128;

/** @throws {AppError} `validation_failed` */
export function requirePasswordLength(password: string): void {
  const { length } = password;
  if (length >= PASSWORD_MIN_LENGTH && length <= PASSWORD_MAX_LENGTH) return;
  throw new AppError('validation_failed', {
    detail: `"password" must have ${PASSWORD_MIN_LENGTH} to ${PASSWORD_MAX_LENGTH} characters, not ${length}`,
  });
}

/** A hash that belongs to no account, so that an unknown account takes as long as a known one. */
const NOBODYS_HASH = hash('nobody has this password', ARGON2);

/** Hashes the normal form of a password, so that it does not matter how it was typed. */
export function hashPassword(password: string): Promise<string> {
  return limited(() => hash(normalPassword(password), ARGON2));
}

/**
 * True when one of the forms of a password matches the account's hash. Takes the same time when there is no account.
 * @param passwordHash the account's hash, or `undefined` for an unknown account.
 */
export async function isPasswordRight(passwordHash: string | undefined, forms: string[]): Promise<boolean> {
  const expected = passwordHash ?? (await NOBODYS_HASH);
  let isRight = false;
  for (const form of forms) isRight = (await limited(() => verify(expected, form))) || isRight;
  return isRight && passwordHash !== undefined;
}

async function limited<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await hashing.execute(work);
  } catch (error) {
    if ((error as { isBulkheadRejectedError?: boolean }).isBulkheadRejectedError === true) {
      throw new AppError('rate_limited', { detail: 'too many sign-ins at once', retryAfterMs: 2000 });
    }
    throw error;
  }
}
