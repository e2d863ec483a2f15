import { Global, Module } from '@nestjs/common';
import { ConnectionWatchService } from './connection-watch.service.js';
import { EvictionWatchService } from './eviction-watch.service.js';
import { RateLimiterService } from './rate-limiter.service.js';
import { RedisClockService } from './redis-clock.service.js';
import { RedisService } from './redis.service.js';
import { StartCheckService } from './start-check.service.js';

@Global()
@Module({
  providers: [
    RedisService,
    RateLimiterService,
    ConnectionWatchService,
    RedisClockService,
    EvictionWatchService,
    StartCheckService,
  ],
  exports: [RedisService, RateLimiterService, RedisClockService, EvictionWatchService],
})
export class RedisModule {}
