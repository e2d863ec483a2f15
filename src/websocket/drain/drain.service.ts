import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { ConnectionRegistry } from '../connections/connection.registry.js';
import { type DrainPlan, drainPlan, returnAfterMs } from './drain-plan.js';
import { PendingSocketService } from '../upgrade/pending-socket.service.js';
import { SocketHandoffService } from './socket-handoff.service.js';
import { SocketLifecycleService } from '../connections/socket-lifecycle.service.js';
import { UpgradeGateService } from '../upgrade/upgrade-gate.service.js';

/** Upgrades that were let in before the drain are decided within this, or not at all. */
const UPGRADES_LIMIT_MS = 1000;
/** A connection that was cut is gone within a turn of the event loop or two. */
const CUT_LIMIT_MS = 200;

/**
 * Empties the node within `DRAIN_SECONDS`. Runs before Nest takes anything down: until the last socket is gone and the
 * last answer has ended, HTTP, heartbeats, flags and the audit log go on.
 */
@Injectable()
export class DrainService {
  private readonly companions: (() => Promise<void>)[] = [];
  private draining: Promise<void> | undefined;

  constructor(
    private readonly config: Config,
    private readonly gate: UpgradeGateService,
    private readonly pending: PendingSocketService,
    private readonly registry: ConnectionRegistry,
    private readonly lifecycle: SocketLifecycleService,
    private readonly handoff: SocketHandoffService,
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
    const plan = drainPlan(this.config.drainSeconds * 1000, this.config.ticketTtlSeconds * 1000);
    await this.gate.allDecided(UPGRADES_LIMIT_MS);
    this.pending.endAll();
    const sockets = [...this.registry.all()];
    this.logger.info('drain.begun', { sockets: sockets.length, deadline_ms: plan.deadlineMs });
    background(this.handoff.offer(sockets, plan, startMs), this.logger, 'drain.offer_failed');
    await this.lifecycle.allClosed(startMs + plan.deadlineMs - performance.now());
    await this.closeRest(plan);
  }

  private async closeRest({ handshakeMs }: DrainPlan): Promise<void> {
    const rest = [...this.registry.all()];
    if (rest.length === 0) return;
    this.logger.info('drain.deadline', { left: rest.length });
    for (const socket of rest) {
      socket.endWith('service_restart', { retry_after_ms: returnAfterMs(rest.length) });
    }
    await this.lifecycle.allClosed(handshakeMs);
    // They were told, and do not answer: the node does not wait for them.
    for (const socket of this.registry.all()) socket.terminate();
    await this.lifecycle.allClosed(CUT_LIMIT_MS);
  }
}
