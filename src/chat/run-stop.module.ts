import { Module } from '@nestjs/common';
import { RunSignalService } from './runs/run-signal.service.js';
import { RunStopService } from './runs/run-stop.service.js';
import { RunStore } from './runs/run.store.js';

/** The end of runs, for a program that writes none. A node has it with `ChatModule`. */
@Module({ providers: [RunStore, RunSignalService, RunStopService], exports: [RunStopService] })
export class RunStopModule {}
