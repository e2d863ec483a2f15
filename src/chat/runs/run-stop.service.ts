import { Injectable } from '@nestjs/common';
import { RunSignalService } from './run-signal.service.js';
import { RunStore } from './run.store.js';

/** Asks the nodes to stop runs, for a program that is no node and writes nothing to a conversation itself. */
@Injectable()
export class RunStopService {
  constructor(
    private readonly runs: RunStore,
    private readonly signals: RunSignalService,
  ) {}

  /** As `RunCancelService.cancelAllOf`: a queued run ends when a node takes it, before its answer begins. */
  async stopAllOf(userId: string): Promise<void> {
    for (const runId of await this.runs.unfinishedOf(userId)) {
      await this.runs.requestCancel(runId);
      this.signals.announceCancel(runId);
    }
  }
}
