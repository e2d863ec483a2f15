import { Injectable } from '@nestjs/common';
import { EvictionWatchService } from '../redis/eviction-watch.service.js';

/** What somebody should look at, although everything serves. */
export type Warning = 'evicts_keys' | 'clock_skew';

/** Gathers the warnings that `/health/full` shows. Each comes from the service that watches for it, which also logs it. */
@Injectable()
export class WarningService {
  constructor(private readonly evictions: EvictionWatchService) {}

  list(): Warning[] {
    const states: [Warning, boolean][] = [['evicts_keys', this.evictions.evictsKeys]];
    return states.flatMap(([warning, isOn]) => (isOn ? [warning] : []));
  }
}
