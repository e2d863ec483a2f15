import { Injectable } from '@nestjs/common';
import { AppLogger } from '../../observability/logger.js';
import { UpgradeGateService } from '../upgrade/upgrade-gate.service.js';
import { SocketDrainService } from './socket-drain.service.js';

/** Upgrades that were let in before the drain are decided within this, or not at all. */
const UPGRADES_LIMIT_MS = 1000;

/**
 * Empties the node within `DRAIN_SECONDS`. Runs before Nest takes anything down: until the last socket is gone and the
 * last answer has ended, HTTP, heartbeats, flags and the audit log go on.
 */
@Injectable()
export class DrainService {
  private readonly companions: (() => Promise<void>)[] = [];
  private draining: Promise<void> | undefined;

  constructor(
    private readonly gate: UpgradeGateService,
    private readonly sockets: SocketDrainService,
    private readonly logger: AppLogger,
  ) {}

  /** Begins `work` together with the drain, which does not end before it. It keeps to `DRAIN_SECONDS` by itself. */
  alongside(work: () => Promise<void>): void {
    this.companions.push(work);
  }

  /** From now on the node is not ready and lets nobody in. Resolves when it is empty; asked twice, it drains once. */
  drain(): Promise<void> {
    this.draining ??= this.empty();
    return this.draining;
  }

  private async empty(): Promise<void> {
    const startMs = performance.now();
    this.gate.drain();
    await Promise.all([this.moveSockets(startMs), ...this.companions.map((work) => work())]);
    this.logger.info('drain.ended', { ms: Math.round(performance.now() - startMs) });
  }

  private async moveSockets(startMs: number): Promise<void> {
    await this.gate.allDecided(UPGRADES_LIMIT_MS);
    await this.sockets.move(startMs);
  }
}
