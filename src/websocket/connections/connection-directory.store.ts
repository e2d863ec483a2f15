import { Injectable } from '@nestjs/common';
import { redisChannels, redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import { Config } from '../../config/config.js';
import type { StoredConnection } from './connection-entry.js';
import { staleAfterMs } from './connection.store.js';
import { redisNow } from '../../redis/redis-clock.js';

/** Every open connection of the cluster. An entry expires unless heartbeats renew it. */
@Injectable()
export class ConnectionDirectoryStore {
  private readonly staleAfterMs: number;

  constructor(
    private readonly redis: RedisService,
    config: Config,
  ) {
    this.staleAfterMs = staleAfterMs(config);
  }

  /** Adds a connection, or renews its entry. */
  async keep(entry: StoredConnection): Promise<void> {
    const list = redisKeys.connectionsOfAll();
    const now = redisNow();
    await this.redis.run((redis) =>
      Promise.all([
        redis.set(redisKeys.connection(entry.connection_id), JSON.stringify(entry), 'PX', this.staleAfterMs),
        redis.zadd(list, now, entry.connection_id),
        redis.zremrangebyscore(list, '-inf', now - this.staleAfterMs),
        redis.pexpire(list, this.staleAfterMs),
      ]),
    );
  }

  async remove(connectionId: string): Promise<void> {
    await this.redis.run((redis) =>
      Promise.all([
        redis.del(redisKeys.connection(connectionId)),
        redis.zrem(redisKeys.connectionsOfAll(), connectionId),
      ]),
    );
  }

  async find(connectionId: string): Promise<StoredConnection | undefined> {
    const json = await this.redis.run((redis) => redis.get(redisKeys.connection(connectionId)));
    return json === null ? undefined : (JSON.parse(json) as StoredConnection);
  }

  /** Returns the ids of all connections. Each heartbeat changes their order, so paging has to sort them. */
  ids(): Promise<string[]> {
    const since = redisNow() - this.staleAfterMs;
    return this.redis.run((redis) => redis.zrangebyscore(redisKeys.connectionsOfAll(), since, '+inf'));
  }

  /** Returns the entries that still exist. */
  async read(connectionIds: readonly string[]): Promise<StoredConnection[]> {
    const found = await this.redis.run((redis) =>
      Promise.all(connectionIds.map((id) => redis.get(redisKeys.connection(id)))),
    );
    return found.flatMap((json) => (json === null ? [] : [JSON.parse(json) as StoredConnection]));
  }

  async publishEnd(connectionId: string): Promise<void> {
    await this.redis.run((redis) => redis.publish(redisChannels.connectionEnded, connectionId));
  }

  /** Calls `listener` for each connection that an administrator ends, on any node. */
  async onEnd(listener: (connectionId: string) => void): Promise<void> {
    const { subscriber } = this.redis;
    subscriber.on('message', (channel: string, message: string) => {
      if (channel === redisChannels.connectionEnded) listener(message);
    });
    await subscriber.subscribe(redisChannels.connectionEnded);
  }
}
