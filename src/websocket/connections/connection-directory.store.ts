import { Injectable } from '@nestjs/common';
import { redisChannels, redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import type { ConnectionEntry } from './connection-entry.js';

/** How long the list of a node that has died stays. Nobody reads it: the node is not among the living ones. */
const LIST_TTL_MS = 60_000;

/** The open connections of each node, for administrators: one hash per node, which only that node writes. */
@Injectable()
export class ConnectionDirectoryStore {
  constructor(private readonly redis: RedisService) {}

  /** Adds and removes connections of a node. */
  async change(nodeId: string, added: readonly ConnectionEntry[], removed: readonly string[]): Promise<void> {
    const key = redisKeys.connectionsOfNode(nodeId);
    const fields = added.flatMap((entry) => [entry.connection_id, JSON.stringify(entry)]);
    await this.redis.run((redis) =>
      Promise.all([
        ...(fields.length === 0 ? [] : [redis.hset(key, ...fields), redis.pexpire(key, LIST_TTL_MS)]),
        ...(removed.length === 0 ? [] : [redis.hdel(key, ...removed)]),
      ]),
    );
  }

  /** Keeps the list of a node. @returns false if there is none: Redis may have lost it */
  async keep(nodeId: string): Promise<boolean> {
    const key = redisKeys.connectionsOfNode(nodeId);
    return (await this.redis.run((redis) => redis.pexpire(key, LIST_TTL_MS))) === 1;
  }

  async find(nodeIds: readonly string[], connectionId: string): Promise<ConnectionEntry | undefined> {
    const found = await this.redis.run((redis) =>
      Promise.all(nodeIds.map((id) => redis.hget(redisKeys.connectionsOfNode(id), connectionId))),
    );
    const json = found.find((entry) => entry !== null);
    return json == null ? undefined : (JSON.parse(json) as ConnectionEntry);
  }

  /** The ids of the connections of some nodes, each with its node. */
  async ids(nodeIds: readonly string[]): Promise<{ id: string; nodeId: string }[]> {
    const lists = await this.redis.run((redis) =>
      Promise.all(nodeIds.map((id) => redis.hkeys(redisKeys.connectionsOfNode(id)))),
    );
    return lists.flatMap((ids, index) => ids.map((id) => ({ id, nodeId: nodeIds[index]! })));
  }

  /** Returns the entries that still exist. */
  async read(connections: readonly { id: string; nodeId: string }[]): Promise<ConnectionEntry[]> {
    const found = await this.redis.run((redis) =>
      Promise.all(connections.map(({ id, nodeId }) => redis.hget(redisKeys.connectionsOfNode(nodeId), id))),
    );
    return found.flatMap((json) => (json === null ? [] : [JSON.parse(json) as ConnectionEntry]));
  }

  async publishEnd(connectionId: string): Promise<void> {
    await this.redis.run((redis) => redis.publish(redisChannels.connectionEnded, connectionId));
  }

  /** Calls `listener` for each connection that an administrator ends, on any node. */
  onEnd(listener: (connectionId: string) => void): void {
    this.redis.subscriber.on('message', (channel: string, message: string) => {
      if (channel === redisChannels.connectionEnded) listener(message);
    });
    this.redis.listen(redisChannels.connectionEnded);
  }
}
