import { createHmac, randomBytes } from 'node:crypto';
import { rememberSecret } from './secrets.js';

export type Claims = Record<string, unknown>;

export interface Forgery {
  /** Members of the header. Default: `{alg: 'HS256', typ: 'JWT'}`. */
  header?: Claims;
  /** The payload: claims, or any text for what is not JSON. */
  payload: Claims | string;
  /** Key of the HMAC; a Buffer for bytes that are not text. */
  secret: string | Buffer;
  /** Hash of the HMAC, whatever the header says. */
  hash?: 'sha256' | 'sha384' | 'sha512';
}

/** A signing key for nodes whose tokens a test wants to forge. */
export function newSigningSecret(): string {
  return randomBytes(32).toString('hex');
}

/** Signs any token: every part can be chosen, also parts that no honest issuer would sign. */
export function forge({ header, payload, secret, hash = 'sha256' }: Forgery): string {
  const head = encode(header ?? { alg: 'HS256', typ: 'JWT' });
  const body = typeof payload === 'string' ? Buffer.from(payload).toString('base64url') : encode(payload);
  const signature = createHmac(hash, secret).update(`${head}.${body}`).digest('base64url');
  return rememberSecret(`${head}.${body}.${signature}`);
}

/** The claims of a token, unverified. */
export function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims;
}

export function headerOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as Claims;
}

export function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
