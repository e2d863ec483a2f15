import { Global, Module } from '@nestjs/common';
import { ConnectionWatchService } from './connection-watch.service.js';
import { EvictionWatchService } from './eviction-watch.service.js';
import { RateLimiterService } from './rate-limiter.service.js';
import { RedisService } from './redis.service.js';

@Global()
@Module({
  providers: [RedisService, RateLimiterService, ConnectionWatchService, EvictionWatchService],
  exports: [RedisService, RateLimiterService, EvictionWatchService],
})
export class RedisModule {}
