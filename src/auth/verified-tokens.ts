import { type AccessTokenClaims, CLOCK_TOLERANCE_SECONDS } from './access-token.js';

/** About 8 MiB of tokens. */
const MAX_ENTRIES = 10_000;

/**
 * Claims of tokens whose signature was verified, so that a client's next request costs a look-up instead of a
 * verification. It remembers arithmetic, never a right: its time is checked here and its session at every use.
 */
export class VerifiedTokens {
  private readonly claims = new Map<string, AccessTokenClaims>();

  get(token: string): AccessTokenClaims | undefined {
    const known = this.claims.get(token);
    if (known === undefined || Date.now() / 1000 < known.exp + CLOCK_TOLERANCE_SECONDS) return known;
    this.claims.delete(token);
    return undefined;
  }

  add(token: string, claims: AccessTokenClaims): void {
    if (this.claims.size >= MAX_ENTRIES) {
      const oldest = this.claims.keys().next();
      if (oldest.done !== true) this.claims.delete(oldest.value);
    }
    this.claims.set(token, claims);
  }
}
