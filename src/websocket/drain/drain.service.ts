import { Injectable } from '@nestjs/common';
import { AppLogger } from '../../observability/logger.js';
import { UpgradeGateService } from '../upgrade/upgrade-gate.service.js';
import { SocketDrainService } from './socket-drain.service.js';

/** Time limit for deciding upgrades that were let in before the drain. */
const UPGRADES_LIMIT_MS = 1000;

/**
 * Empties the node within `DRAIN_SECONDS`. Runs before Nest shuts anything down: HTTP, heartbeats, flags and the audit
 * log keep working until the last socket has closed and the last answer has ended.
 */
@Injectable()
export class DrainService {
  private readonly companions: ((hurry: AbortSignal) => Promise<void>)[] = [];
  private readonly hurried = new AbortController();
  private draining: Promise<void> | undefined;

  constructor(
    private readonly gate: UpgradeGateService,
    private readonly sockets: SocketDrainService,
    private readonly logger: AppLogger,
  ) {}

  /**
   * Starts `work` with the drain, which waits for it. `work` itself must keep to `DRAIN_SECONDS`, and must not wait for
   * anybody after `hurry`.
   */
  alongside(work: (hurry: AbortSignal) => Promise<void>): void {
    this.companions.push(work);
  }

  /** Makes the node not ready and refuses new sockets. Resolves when it is empty. A second call joins the first. */
  drain(): Promise<void> {
    this.draining ??= this.empty();
    return this.draining;
  }

  /** Ends the window now: what is left is closed and handed over as at its end. */
  hurry(): void {
    this.hurried.abort();
  }

  private async empty(): Promise<void> {
    const startMs = performance.now();
    this.gate.drain();
    const { signal } = this.hurried;
    await Promise.all([this.moveSockets(startMs), ...this.companions.map((work) => work(signal))]);
    this.logger.info('drain.ended', { ms: Math.round(performance.now() - startMs) });
  }

  private async moveSockets(startMs: number): Promise<void> {
    await this.gate.allDecided(UPGRADES_LIMIT_MS);
    await this.sockets.move(startMs, this.hurried.signal);
  }
}
