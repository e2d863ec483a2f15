import { type ClaimedRun, LEASE_MS } from './run.store.js';

/** `cancelled`: by its owner; `lost`: another node has or may have it; `handed_over`: this node is shutting down. */
export type StopReason = 'cancelled' | 'lost' | 'handed_over';

/** Why a responder was aborted. */
export class RunStopped extends Error {
  constructor(readonly reason: StopReason) {
    super(`the run was ${reason}`);
  }
}

/**
 * The right of this node to write one run, for as long as it is renewed. Holds the state of one lease; `RunLeaseService`
 * creates and renews leases.
 */
export class RunLease {
  readonly id: string;
  readonly attempt: number;
  private readonly controller = new AbortController();
  private validUntilMs: number;
  private reason: StopReason | undefined;

  /** @param claimedMs `performance.now()` from before the claim: the lease must end here before it ends in Postgres */
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

  /** False once another node may write. Checked before each piece is sent. */
  get isHeld(): boolean {
    if (performance.now() >= this.validUntilMs) this.stop('lost');
    return this.reason === undefined || this.reason === 'cancelled';
  }

  renewed(askedMs: number): void {
    this.validUntilMs = askedMs + LEASE_MS;
  }

  /** The first reason is kept, except that `lost` replaces it: this node may not end a run that another may have. */
  stop(reason: StopReason): void {
    if (this.reason === undefined || reason === 'lost') this.reason = reason;
    if (!this.signal.aborted) this.controller.abort(new RunStopped(reason));
  }
}
