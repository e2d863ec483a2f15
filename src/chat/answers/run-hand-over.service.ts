import { Injectable, type OnModuleInit } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Config } from '../../config/config.js';
import { DrainService } from '../../websocket/drain/drain.service.js';
import { RunLeaseService } from '../runs/run-lease.service.js';
import { RunReportService } from '../runs/run-report.service.js';
import { RunWorkerService } from './run-worker.service.js';

/** The end of the drain window, reserved for handing over unfinished runs. */
const HAND_OVER_MS = 500;

/** Drains a node that stops: answers may finish within the drain window, and other nodes take over the rest. */
@Injectable()
export class RunHandOverService implements OnModuleInit {
  constructor(
    private readonly worker: RunWorkerService,
    private readonly leases: RunLeaseService,
    private readonly drain: DrainService,
    private readonly config: Config,
    private readonly report: RunReportService,
  ) {}

  onModuleInit(): void {
    this.drain.alongside((hurry) => this.leave(hurry));
  }

  private async leave(hurry: AbortSignal): Promise<void> {
    const limit = new AbortController();
    const end = AbortSignal.any([limit.signal, hurry]);
    const windowMs = Math.max(0, this.config.drainSeconds * 1000 - HAND_OVER_MS);
    await this.worker.takeNoMore();
    await Promise.race([this.worker.allEnded(), waitFor(windowMs, end)]);
    limit.abort();
    try {
      await this.leases.handOver();
    } catch (error) {
      // Without Postgres the leases expire by themselves, which takes slightly longer.
      this.report.handOverFailed(error);
    }
    await this.worker.allEnded();
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
