import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';

export interface Conversion {
  userId: string;
  sessionId: string;
}

/**
 * Maps an old token to the session it was converted into. Without it, a token whose session was ended could open new
 * sessions for as long as it is valid.
 */
@Injectable()
export class ConversionStore {
  constructor(private readonly redis: RedisService) {}

  async find(token: string): Promise<Conversion | undefined> {
    const json = await this.redis.run((redis) => redis.get(keyOf(token)));
    return json === null ? undefined : (JSON.parse(json) as Conversion);
  }

  async remember(token: string, conversion: Conversion, expiresAtMs: number): Promise<void> {
    const json = JSON.stringify(conversion);
    await this.redis.run((redis) => redis.set(keyOf(token), json, 'PXAT', expiresAtMs));
  }
}

function keyOf(token: string): string {
  return redisKeys.sessionConversion(createHash('sha256').update(token).digest('base64url'));
}
