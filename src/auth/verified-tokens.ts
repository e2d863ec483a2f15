import { type AccessTokenClaims, CLOCK_TOLERANCE_SECONDS } from './access-token.js';
import { redisNow } from '../redis/redis-clock.js';

/** About 8 MiB of tokens. */
const MAX_ENTRIES = 10_000;

/**
 * Claims of tokens whose signature was verified, so that a client's next request costs a look-up instead of a
 * verification. It caches the signature check only: the expiry and the session are checked at every use.
 */
export class VerifiedTokens {
  private readonly claims = new Map<string, AccessTokenClaims>();
  /** Cycles through all entries: after a sign-out or a renewal the old token is never used again. */
  private round = this.claims.entries();

  get(token: string): AccessTokenClaims | undefined {
    const known = this.claims.get(token);
    if (known === undefined || !isOver(known)) return known;
    this.claims.delete(token);
    return undefined;
  }

  add(token: string, claims: AccessTokenClaims): void {
    this.forgetExpired();
    if (this.claims.size >= MAX_ENTRIES) {
      const oldest = this.claims.keys().next();
      if (oldest.done !== true) this.claims.delete(oldest.value);
    }
    this.claims.set(token, claims);
  }

  get size(): number {
    return this.claims.size;
  }

  /** Checks two entries for each one added, so that expired tokens are removed faster than tokens are added. */
  private forgetExpired(): void {
    for (let looks = 0; looks < 2; looks++) {
      const next = this.round.next();
      if (next.done === true) {
        this.round = this.claims.entries();
        return;
      }
      const [token, claims] = next.value;
      if (isOver(claims)) this.claims.delete(token);
    }
  }
}

function isOver({ exp }: AccessTokenClaims): boolean {
  return redisNow() / 1000 >= exp + CLOCK_TOLERANCE_SECONDS;
}
