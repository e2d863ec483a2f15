import { Injectable } from '@nestjs/common';
import { EvictionWatchService } from '../redis/eviction-watch.service.js';
import { RedisClockService } from '../redis/redis-clock.service.js';

/** What somebody should look at, although everything serves. */
export type Warning = 'evicts_keys' | 'clock_skew';

/** Gathers the warnings that `/health/full` shows. Each comes from the service that watches for it, which also logs it. */
@Injectable()
export class WarningService {
  constructor(
    private readonly evictions: EvictionWatchService,
    private readonly clock: RedisClockService,
  ) {}

  list(): Warning[] {
    const states: [Warning, boolean][] = [
      ['evicts_keys', this.evictions.evictsKeys],
      ['clock_skew', this.clock.isSkewed],
    ];
    return states.flatMap(([warning, isOn]) => (isOn ? [warning] : []));
  }
}
