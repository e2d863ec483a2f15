import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { ConnectionRegistry } from '../connections/connection.registry.js';
import { SocketLifecycleService } from '../connections/socket-lifecycle.service.js';
import { type DrainPlan, drainPlan, returnAfterMs } from './drain-plan.js';
import { SocketHandoffService } from './socket-handoff.service.js';

/** A terminated connection closes within one or two turns of the event loop. */
const CUT_LIMIT_MS = 200;
/** For the frames that arrived before their sockets closed: usually they are handled by then. */
const HANDLING_LIMIT_MS = 3000;

/** Moves the sockets of a stopping node to other nodes, and closes the rest at the deadline. */
@Injectable()
export class SocketDrainService {
  constructor(
    private readonly config: Config,
    private readonly registry: ConnectionRegistry,
    private readonly lifecycle: SocketLifecycleService,
    private readonly handoff: SocketHandoffService,
    private readonly logger: AppLogger,
  ) {}

  /**
   * @param startMs when the drain began, on the clock of `performance.now()`.
   * @param hurry brings the deadline forward.
   */
  async move(startMs: number, hurry: AbortSignal): Promise<void> {
    const plan = drainPlan(this.config.drainSeconds * 1000, this.config.ticketTtlSeconds * 1000);
    const sockets = [...this.registry.all()];
    this.logger.info('drain.begun', { sockets: sockets.length, deadline_ms: plan.deadlineMs });
    background(this.handoff.offer(sockets, plan, startMs), this.logger, 'drain.offer_failed');
    await this.lifecycle.allClosed(startMs + plan.deadlineMs - performance.now(), hurry);
    await this.closeRest(plan);
    await this.lifecycle.allHandled(HANDLING_LIMIT_MS);
  }

  private async closeRest({ handshakeMs }: DrainPlan): Promise<void> {
    const rest = [...this.registry.all()];
    if (rest.length === 0) return;
    this.logger.info('drain.deadline', { left: rest.length });
    for (const socket of rest) {
      socket.endWith('service_restart', { retry_after_ms: returnAfterMs(rest.length) });
    }
    await this.lifecycle.allClosed(handshakeMs);
    // These did not answer the close frame: the node does not wait for them.
    for (const socket of this.registry.all()) socket.terminate();
    await this.lifecycle.allClosed(CUT_LIMIT_MS);
  }
}
