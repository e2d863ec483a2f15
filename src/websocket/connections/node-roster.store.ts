import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import { redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';

/** A node that has not reported for this long counts as dead. */
export const DEAD_AFTER_MS = 5000;

/** Adds a node, timed by the clock of Redis so that the nodes' clocks need not agree. Returns all living nodes. */
const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ${DEAD_AFTER_MS})
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${DEAD_AFTER_MS})
return redis.call('ZRANGE', KEYS[1], 0, -1)`;

/** The list of living nodes. */
@Injectable()
export class NodeRosterStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('beatOfNode', { numberOfKeys: 1, lua: BEAT });
  }

  /** Reports that a node is alive. @returns the ids of all living nodes */
  beat(nodeId: string): Promise<string[]> {
    return this.redis.run((redis) => redis.beatOfNode(redisKeys.nodes(), nodeId));
  }

  async leave(nodeId: string): Promise<void> {
    await this.redis.run((redis) => redis.zrem(redisKeys.nodes(), nodeId));
  }
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    beatOfNode(key: string, nodeId: string): Result<string[], Context>;
  }
}
