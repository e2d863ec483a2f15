import { setImmediate as nextTurn } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AppLogger } from '../../observability/logger.js';
import { TicketService } from '../../ticket/ticket.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { type DrainPlan, slotsOf } from './drain-plan.js';

/** Tickets issued at once; other work of the node runs between batches. */
const BATCH = 100;

/** Tells each socket of a stopping node where and when to reconnect, and with which ticket. */
@Injectable()
export class SocketHandoffService {
  constructor(
    private readonly tickets: TicketService,
    private readonly logger: AppLogger,
  ) {}

  /**
   * Sends `server.draining` to each socket. Sockets that do not get it are closed at the deadline.
   * @param startMs when the drain began, on the clock of `performance.now()`.
   */
  async offer(sockets: readonly AuthenticatedSocket[], plan: DrainPlan, startMs: number): Promise<void> {
    const offers = slotsOf(plan, sockets.length).map((slotMs, index) => ({
      slotMs,
      socket: sockets[index]!,
    }));
    for (let from = 0; from < offers.length; from += BATCH) {
      if (performance.now() - startMs >= plan.lastSlotMs) return;
      const batch = offers
        .slice(from, from + BATCH)
        .map(({ socket, slotMs }) => this.offerOne(socket, startMs + slotMs, startMs + plan.deadlineMs));
      const outcomes = await Promise.allSettled(batch);
      const failure = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failure !== undefined) {
        // Without Redis no node accepts upgrades, so there is nowhere to move to: stop here.
        this.logger.warn('drain.no_tickets', { error: String(failure.reason) });
        return;
      }
      await nextTurn();
    }
  }

  private async offerOne(socket: AuthenticatedSocket, slotMs: number, deadlineMs: number): Promise<void> {
    if (socket.readyState !== socket.OPEN) return;
    const { clientId, conversationId, origin } = socket.identity;
    const { ticket, url } = await this.tickets.issueHandoff(socket.user, {
      clientId,
      conversationId,
      origin,
    });
    const now = performance.now();
    socket.isToldToMove = true;
    socket.sendFrame({
      type: 'server.draining',
      data: {
        handoff_ticket: ticket,
        url,
        connect_after_ms: Math.max(0, Math.round(slotMs - now)),
        deadline_ms: Math.max(0, Math.round(deadlineMs - now)),
      },
    });
  }
}
