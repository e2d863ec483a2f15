import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import { redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';

/** A node that has not reported for this long counts as dead. */
export const DEAD_AFTER_MS = 5000;

/**
 * Adds a node, timed by the clock of Redis so that the nodes' clocks need not agree. Returns whether it was not listed,
 * and all living nodes.
 */
const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ${DEAD_AFTER_MS})
local isNew = redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${DEAD_AFTER_MS})
return {isNew, redis.call('ZRANGE', KEYS[1], 0, -1)}`;

/** The list of living nodes. */
@Injectable()
export class NodeRosterStore {
  constructor(private readonly redis: RedisService) {
    redis.client.defineCommand('beatOfNode', { numberOfKeys: 1, lua: BEAT });
  }

  /** Reports that a node is alive. @returns the ids of all living nodes, and whether this one was not among them */
  async beat(nodeId: string): Promise<{ wasUnlisted: boolean; living: string[] }> {
    const [isNew, living] = await this.redis.run((redis) => redis.beatOfNode(redisKeys.nodes(), nodeId));
    return { wasUnlisted: isNew === 1, living };
  }

  /** The nodes that have reported, without reporting. */
  living(): Promise<string[]> {
    return this.redis.run((redis) => redis.zrange(redisKeys.nodes(), '0', '-1'));
  }

  async leave(nodeId: string): Promise<void> {
    await this.redis.run((redis) => redis.zrem(redisKeys.nodes(), nodeId));
  }
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    beatOfNode(key: string, nodeId: string): Result<[isNew: 0 | 1, living: string[]], Context>;
  }
}
