/** Claims of the two token formats from before sessions: the user and the expiry. */
export interface OldClaims {
  sub: string;
  email?: string;
  /** Seconds since the epoch. */
  exp: number;
}

const BARE = new Set(['sub', 'exp', 'iat']);
const WITH_EMAIL = new Set(['sub', 'email', 'aud', 'iss', 'exp', 'iat']);

/**
 * Reads `{sub, exp, iat}` and `{sub, email, aud, iss, exp}`, with or without `iat`. The signature was verified.
 * @returns `undefined` for any other set of claims: the token is not in an old format.
 */
export function readOldClaims(
  payload: unknown,
  expected: { issuer: string; audience: string },
): OldClaims | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const { sub, exp, iat, email, iss, aud } = payload as Record<string, unknown>;
  if (typeof sub !== 'string' || sub === '' || typeof exp !== 'number') return undefined;
  if (iat !== undefined && typeof iat !== 'number') return undefined;
  if (hasOnly(payload, BARE)) return iat === undefined ? undefined : { sub, exp };
  if (!hasOnly(payload, WITH_EMAIL) || typeof email !== 'string' || email === '') return undefined;
  return iss === expected.issuer && aud === expected.audience ? { sub, email, exp } : undefined;
}

function hasOnly(payload: object, names: ReadonlySet<string>): boolean {
  return Object.keys(payload).every((name) => names.has(name));
}
