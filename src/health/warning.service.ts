import { Injectable } from '@nestjs/common';
import { EvictionWatchService } from '../redis/eviction-watch.service.js';
import { RedisClockService } from '../redis/redis-clock.service.js';

/** A problem that an operator should look at although everything works. */
export type Warning = 'evicts_keys' | 'eviction_unknown' | 'clock_skew';

/** Collects the warnings for `/health/full`. The service that detects a problem also logs it. */
@Injectable()
export class WarningService {
  constructor(
    private readonly evictions: EvictionWatchService,
    private readonly clock: RedisClockService,
  ) {}

  list(): Warning[] {
    const states: [Warning, boolean][] = [
      ['evicts_keys', this.evictions.evictsKeys],
      ['eviction_unknown', this.evictions.isUnknown],
      ['clock_skew', this.clock.isSkewed],
    ];
    return states.flatMap(([warning, isOn]) => (isOn ? [warning] : []));
  }
}
