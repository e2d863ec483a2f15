import { Global, Module } from '@nestjs/common';
import { ConnectionWatch } from './connection-watch.service.js';
import { RateLimiter } from './rate-limiter.service.js';
import { RedisService } from './redis.service.js';

@Global()
@Module({ providers: [RedisService, RateLimiter, ConnectionWatch], exports: [RedisService, RateLimiter] })
export class RedisModule {}
