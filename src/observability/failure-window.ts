const BUCKET_MS = 10_000;
const BUCKETS = 30;

/** Length of a window. */
export const FAILURE_WINDOW_MS = BUCKET_MS * BUCKETS;

interface Bucket {
  /** Index of its ten seconds since 1970. */
  slot: number;
  attempts: number;
  failures: number;
}

/** Attempts and failures of the last five minutes, in thirty counters of ten seconds each. */
export class FailureWindow {
  private readonly ring: Bucket[] = Array.from({ length: BUCKETS }, () => ({
    slot: -1,
    attempts: 0,
    failures: 0,
  }));

  add(hasFailed: boolean): void {
    const slot = Math.floor(Date.now() / BUCKET_MS);
    const bucket = this.ring[slot % BUCKETS]!;
    if (bucket.slot !== slot) {
      bucket.slot = slot;
      bucket.attempts = 0;
      bucket.failures = 0;
    }
    bucket.attempts += 1;
    if (hasFailed) bucket.failures += 1;
  }

  totals(): { attempts: number; failures: number } {
    const oldest = Math.floor(Date.now() / BUCKET_MS) - BUCKETS;
    const totals = { attempts: 0, failures: 0 };
    for (const { slot, attempts, failures } of this.ring) {
      if (slot <= oldest) continue;
      totals.attempts += attempts;
      totals.failures += failures;
    }
    return totals;
  }
}
