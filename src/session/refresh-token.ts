import { createHash, createHmac, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto';

const ID_BYTES = 16;
const RANDOM_BYTES = 32;
const MAC_BYTES = 16;
const TOKEN_BYTES = 2 * ID_BYTES + RANDOM_BYTES + MAC_BYTES;
const FORM = /^rt_[\w-]{107}$/;

export interface RefreshTokenParts {
  userId: string;
  sessionId: string;
}

/**
 * An opaque token that names its session and proves that we made it. The proof is what tells a used token, which ends
 * the session, from an invented one, which must not: whoever knows two ids could otherwise sign their owner out.
 */
export function newRefreshToken(key: KeyObject, { userId, sessionId }: RefreshTokenParts): string {
  const body = Buffer.concat([uuidBytes(userId), uuidBytes(sessionId), randomBytes(RANDOM_BYTES)]);
  return `rt_${Buffer.concat([body, mac(key, body)]).toString('base64url')}`;
}

/** Whose token it is, or `undefined` for one that we did not make. */
export function readRefreshToken(key: KeyObject, token: string): RefreshTokenParts | undefined {
  if (!FORM.test(token)) return undefined;
  const bytes = Buffer.from(token.slice(3), 'base64url');
  if (bytes.length !== TOKEN_BYTES) return undefined;
  const body = bytes.subarray(0, TOKEN_BYTES - MAC_BYTES);
  if (!timingSafeEqual(mac(key, body), bytes.subarray(TOKEN_BYTES - MAC_BYTES))) return undefined;
  return {
    userId: uuidText(body.subarray(0, ID_BYTES)),
    sessionId: uuidText(body.subarray(ID_BYTES, 2 * ID_BYTES)),
  };
}

/** What is stored instead of the token. */
export function refreshDigest(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

function mac(key: KeyObject, body: Buffer): Buffer {
  return createHmac('sha256', key).update(body).digest().subarray(0, MAC_BYTES);
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
