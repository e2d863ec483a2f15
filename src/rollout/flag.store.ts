import { once } from 'node:events';
import { Injectable } from '@nestjs/common';
import { redisChannels, redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import { type FlagRecord, readRecord } from './flag-record.js';
import type { FlagName } from '../config/flags.js';

/** One script, so that each of two simultaneous changes learns the value that it replaced. */
const SET_AND_TELL = `
local old = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return old`;

@Injectable()
export class FlagStore {
  constructor(private readonly redis: RedisService) {}

  /** All flags that administrators have set, as text by name. */
  async read(): Promise<Record<string, string>> {
    return this.redis.run((redis) => redis.hgetall(redisKeys.flags()));
  }

  /** Sets a flag, tells every node, and returns the record that it replaced. */
  async write(name: FlagName, record: FlagRecord): Promise<FlagRecord | undefined> {
    const args = [name, JSON.stringify(record), redisChannels.flagsChanged];
    const old = await this.redis.run((redis) => redis.eval(SET_AND_TELL, 1, redisKeys.flags(), ...args));
    return readRecord(old as string | null);
  }

  /** Calls `listener` when a flag was set on any node. */
  onChange(listener: () => void): void {
    const changed = Buffer.from(redisChannels.flagsChanged);
    // As bytes: with a listener for 'message', ioredis would decode every frame of every conversation to a string.
    this.redis.subscriber.on('messageBuffer', (channel: Buffer) => {
      if (channel.equals(changed)) listener();
    });
    this.redis.listen(redisChannels.flagsChanged);
  }

  /** Resolves when commands can be sent. @throws when that takes longer than `limitMs`. */
  async whenReady(limitMs: number): Promise<void> {
    const { client } = this.redis;
    if (client.status !== 'ready') await once(client, 'ready', { signal: AbortSignal.timeout(limitMs) });
  }
}
