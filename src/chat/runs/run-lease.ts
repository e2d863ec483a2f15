import { type ClaimedRun, LEASE_MS } from './run.store.js';

/** `cancelled` its owner wants no more of it; `lost` another node has it or may have; `handed_over` this node leaves. */
export type StopReason = 'cancelled' | 'lost' | 'handed_over';

/** Why a responder was aborted. */
export class RunStopped extends Error {
  constructor(readonly reason: StopReason) {
    super(`the run was ${reason}`);
  }
}

/**
 * The right of this node to write one run, for as long as it is renewed. Holds the state of one lease; `RunLeaseService`
 * makes and renews them.
 */
export class RunLease {
  readonly id: string;
  readonly attempt: number;
  private readonly controller = new AbortController();
  private validUntilMs: number;
  private reason: StopReason | undefined;

  /** @param claimedMs `performance.now()` from before the claim: our clock must run out before that of Postgres */
  constructor(run: ClaimedRun, claimedMs: number) {
    this.id = run.id;
    this.attempt = run.attempt;
    this.validUntilMs = claimedMs + LEASE_MS;
  }

  /** Aborted when the writing has to stop; its reason is a `RunStopped`. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get stopReason(): StopReason | undefined {
    return this.reason;
  }

  /** False once another node may write. Asked before each piece that leaves. */
  get isHeld(): boolean {
    if (performance.now() >= this.validUntilMs) this.stop('lost');
    return this.reason === undefined || this.reason === 'cancelled';
  }

  renewed(askedMs: number): void {
    this.validUntilMs = askedMs + LEASE_MS;
  }

  /** The first reason stands, but for `lost`: what another node may have is no longer ours to end. */
  stop(reason: StopReason): void {
    if (this.reason === undefined || reason === 'lost') this.reason = reason;
    if (!this.signal.aborted) this.controller.abort(new RunStopped(reason));
  }
}
