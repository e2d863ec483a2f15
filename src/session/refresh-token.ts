import { createHash, randomBytes } from 'node:crypto';

const ID_BYTES = 16;
const RANDOM_BYTES = 32;
const FORM = /^rt_[\w-]{86}$/;

export interface RefreshTokenParts {
  userId: string;
  sessionId: string;
}

/**
 * An opaque token that names its session. Whether it was ever given out is known by its digest alone: a used one ends the
 * session, an invented one must not, or whoever knows two ids could sign their owner out.
 */
export function newRefreshToken({ userId, sessionId }: RefreshTokenParts): string {
  const bytes = Buffer.concat([uuidBytes(userId), uuidBytes(sessionId), randomBytes(RANDOM_BYTES)]);
  return `rt_${bytes.toString('base64url')}`;
}

/** Whose token it would be, or `undefined` for what has not the form of one. */
export function readRefreshToken(token: string): RefreshTokenParts | undefined {
  if (!FORM.test(token)) return undefined;
  const bytes = Buffer.from(token.slice(3), 'base64url');
  return {
    userId: uuidText(bytes.subarray(0, ID_BYTES)),
    sessionId: uuidText(bytes.subarray(ID_BYTES, 2 * ID_BYTES)),
  };
}

/** What is stored instead of the token. */
export function refreshDigest(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
