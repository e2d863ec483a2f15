import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { clientNetwork } from '../identity/client-network.js';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import { redisNow } from '../redis/redis-clock.js';

/** Where a password comes from, as far as a request shows it. */
export interface Device {
  /** Network address of the client. */
  address: string;
  userAgent: string;
}

/** Per account; a new device replaces the one that signed in longest ago. */
const MAX_DEVICES = 20;
const MEMORY_SECONDS = 90 * 86_400;

/** Digests of the devices that signed in to an account. */
@Injectable()
export class KnownDevicesStore {
  constructor(private readonly redis: RedisService) {}

  async has(account: string, device: Device): Promise<boolean> {
    const score = await this.redis.run((redis) =>
      redis.zscore(keyOf(account), deviceDigest(account, device)),
    );
    return score !== null && Number(score) > redisNow() - MEMORY_SECONDS * 1000;
  }

  async remember(account: string, device: Device): Promise<void> {
    const key = keyOf(account);
    await this.redis.run((redis) =>
      Promise.all([
        redis.zadd(key, redisNow(), deviceDigest(account, device)),
        redis.zremrangebyrank(key, 0, -MAX_DEVICES - 1),
        redis.expire(key, MEMORY_SECONDS),
      ]),
    );
  }

  async forgetAll(account: string): Promise<void> {
    await this.redis.run((redis) => redis.del(keyOf(account)));
  }
}

/** Names an account in Redis keys: an e-mail address may contain any character. */
export function accountDigest(account: string): string {
  return digestOf([account]);
}

export function deviceDigest(account: string, { address, userAgent }: Device): string {
  return digestOf([account, clientNetwork(address), userAgent]);
}

function keyOf(account: string): string {
  return redisKeys.userDevices(accountDigest(account));
}

/** JSON keeps the parts separate, so that different parts never give the same text. */
function digestOf(parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
