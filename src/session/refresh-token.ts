import { createHash, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

const ID_BYTES = 16;
const RANDOM_BYTES = 32;
/** Separates this derivation from others that use the same key. */
const SUCCESSOR_SALT = 'admit-one refresh token successor';
const FORM = /^rt_[\w-]{86}$/;

export interface RefreshTokenParts {
  userId: string;
  sessionId: string;
}

/**
 * An opaque token that names its session. Only its stored digest shows that it was issued: a used token ends the
 * session; an invented one must not, or anybody who knows the two ids could sign the user out.
 */
export function newRefreshToken(parts: RefreshTokenParts): string {
  return toToken(parts, randomBytes(RANDOM_BYTES));
}

/**
 * The only token that may follow another: every node that shares `key` derives the same one, and nobody else can.
 * RFC 5869: the secret is the key material; what differs between uses is the info.
 */
export function successorOf(token: string, parts: RefreshTokenParts, key: KeyObject): string {
  return toToken(parts, Buffer.from(hkdfSync('sha256', key, SUCCESSOR_SALT, token, RANDOM_BYTES)));
}

/** The secret from which successors are derived; it comes from the key that signs access tokens. */
export function successorKey(signingKey: KeyObject): KeyObject {
  if (signingKey.type === 'secret') return signingKey;
  return createSecretKey(signingKey.export({ type: 'pkcs8', format: 'der' }));
}

/** The user and session that a token names, or `undefined` for text that does not have the form of one. */
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

function toToken({ userId, sessionId }: RefreshTokenParts, random: Uint8Array): string {
  return `rt_${Buffer.concat([uuidBytes(userId), uuidBytes(sessionId), random]).toString('base64url')}`;
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
