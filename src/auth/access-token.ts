import { isUuid } from '../../protocol/messages.js';
import type { KeyObject } from 'node:crypto';
import type { JwtAlgorithm, JwtKeys } from '../config/jwt-keys.js';
import { AppError } from '../errors/app-error.js';
import { redisNow } from '../redis/redis-clock.js';

/** Claims of an access token (RFC 7519), except `iss` and `aud`. `exp` and `iat` are seconds since the epoch. */
export interface AccessTokenClaims {
  sub: string;
  id: string;
  email: string;
  role: string;
  session_id: string;
  iat: number;
  exp: number;
}

export interface AccessTokenHeader {
  alg: string;
  typ?: string;
  kid?: string;
}

/** A longer token cannot be ours, and is refused before it is parsed. */
const MAX_TOKEN_LENGTH = 8192;
/** Clocks of two machines may differ by this much. */
export const CLOCK_TOLERANCE_SECONDS = 60;

const JWT_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** What broken clients send instead of a missing token. */
const NOT_TOKENS = new Set(['null', 'undefined', 'token_placeholder']);
const KNOWN_HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);

/** @throws {AppError} `token_malformed` for text that cannot be an access token, whoever signed it. */
export function requireTokenForm(token: string): void {
  if (token.trim() === '' || NOT_TOKENS.has(token)) {
    throw new AppError('token_malformed', {
      detail: 'expected an access token, got a placeholder or blanks',
    });
  }
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new AppError('token_malformed', { detail: `expected at most ${MAX_TOKEN_LENGTH} characters` });
  }
  if (!JWT_FORM.test(token)) {
    throw new AppError('token_malformed', {
      detail: 'expected a JWT: three parts in base64url, joined by dots',
    });
  }
}

/**
 * Reads and checks the header. jsonwebtoken accepts any `typ`, unknown `crit` and `b64`; our tokens have none of them.
 * @throws {AppError} `token_malformed`, `token_invalid`
 */
export function readHeader(token: string, algorithm: JwtAlgorithm): AccessTokenHeader {
  const header = parseHeader(token);
  if (header.alg !== algorithm) throw new AppError('token_invalid', { detail: `"alg" must be ${algorithm}` });
  if (header.typ !== undefined && header.typ !== 'JWT') {
    throw new AppError('token_invalid', { detail: '"typ" must be JWT' });
  }
  if (header.kid !== undefined && typeof header.kid !== 'string') {
    throw new AppError('token_invalid', { detail: '"kid" must be a string' });
  }
  for (const member of Object.keys(header)) {
    if (!KNOWN_HEADER_MEMBERS.has(member)) {
      throw new AppError('token_invalid', { detail: 'the header must hold "alg", "typ" and "kid" only' });
    }
  }
  return header as unknown as AccessTokenHeader;
}

/**
 * The key that must have signed a token, after all checks that need no key.
 * @throws {AppError} `token_malformed`, `token_invalid`
 */
export function verifyingKey(token: string, keys: JwtKeys): KeyObject {
  requireTokenForm(token);
  const { kid } = readHeader(token, keys.algorithm);
  // A token without `kid` was signed with the single key.
  const [only] = keys.verifying.size === 1 ? keys.verifying.values() : [];
  const key = kid === undefined ? only : keys.verifying.get(kid);
  if (key === undefined) throw new AppError('token_invalid', { detail: '"kid" names no key of ours' });
  return key;
}

/**
 * Checks what jsonwebtoken leaves unchecked: that `exp`, `iat`, `sub` and our own claims are present and have the
 * right types, and that the token was not issued in the future.
 * @throws {AppError} `token_invalid`
 */
export function requireClaims(payload: unknown): AccessTokenClaims {
  if (typeof payload !== 'object' || payload === null) throw invalid('the payload must be an object');
  const claims = payload as Partial<Record<keyof AccessTokenClaims, unknown>>;
  if (typeof claims.exp !== 'number') throw invalid('"exp" claim must be a number');
  if (typeof claims.iat !== 'number') throw invalid('"iat" claim must be a number');
  if (claims.iat > redisNow() / 1000 + CLOCK_TOLERANCE_SECONDS)
    throw invalid('"iat" claim must not be in the future');
  if (!isUuid(claims.sub)) throw invalid('"sub" claim must be a UUID');
  if (claims.id !== claims.sub) throw invalid('"id" claim must equal "sub"');
  if (!isUuid(claims.session_id)) throw invalid('"session_id" claim must be a UUID');
  if (typeof claims.email !== 'string' || claims.email === '')
    throw invalid('"email" claim must be a string');
  if (claims.role !== 'user' && claims.role !== 'admin') throw invalid('"role" claim must be user or admin');
  return claims as AccessTokenClaims;
}

function parseHeader(token: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(
      Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString(),
    );
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch (error) {
    throw new AppError('token_malformed', { detail: 'the header must be a JSON object', cause: error });
  }
  throw new AppError('token_malformed', { detail: 'the header must be a JSON object' });
}

function invalid(detail: string): AppError {
  return new AppError('token_invalid', { detail });
}
