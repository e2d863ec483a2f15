import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import { Config } from '../../config/config.js';
import { redisChannels, redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';
import { redisNow } from '../../redis/redis-clock.js';

/**
 * Adds a connection to those of its user on all nodes. It replaces connections of the same session and client, which
 * are not counted, and removes those of dead nodes. Returns `session` or `user` if that limit is reached, otherwise the
 * ids of the replaced connections.
 */
const ADMIT = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
local ofSession, ofUser, replaced = 0, 0, {}
local session, client, living = ARGV[4], ARGV[5], ARGV[10]
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for index = 1, #members, 2 do
  local member, beat = members[index], tonumber(members[index + 1])
  local s, c, id, node = string.match(member, '^([^|]*)|([^|]*)|([^|]*)|(.*)$')
  if s == session and c == client then
    replaced[#replaced + 1] = member
  elseif living ~= '' and beat < tonumber(ARGV[11]) and not string.find(living, node, 1, true) then
    redis.call('ZREM', KEYS[1], member)
  else
    ofUser = ofUser + 1
    if s == session then ofSession = ofSession + 1 end
  end
end
if ofSession >= tonumber(ARGV[8]) then return 'session' end
if ofUser >= tonumber(ARGV[9]) then return 'user' end
local ids = {}
for _, member in ipairs(replaced) do
  redis.call('ZREM', KEYS[1], member)
  ids[#ids + 1] = string.match(member, '|([^|]*)|[^|]*$')
end
redis.call('ZADD', KEYS[1], ARGV[1], session .. '|' .. client .. '|' .. ARGV[6] .. '|' .. ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return ids`;

/** A node appears in the list of living nodes within this time after it has started. */
const NODE_UNKNOWN_MS = 3000;

/** The connections of each user, across the cluster. An entry expires unless heartbeats renew it. */
@Injectable()
export class ConnectionStore {
  private readonly staleAfterMs: number;
  private readonly maxPerSession: number;
  private readonly maxPerUser: number;

  constructor(
    private readonly redis: RedisService,
    config: Config,
  ) {
    this.staleAfterMs = staleAfterMs(config);
    this.maxPerSession = config.maxConnectionsPerSession;
    this.maxPerUser = config.maxConnectionsPerUser;
    redis.client.defineCommand('admitConnection', { numberOfKeys: 1, lua: ADMIT });
  }

  /**
   * @param livingNodes nodes whose connections count; `undefined` counts all
   * @returns the connections that this one replaces, or the limit that it would exceed.
   */
  async admit(
    { userId, sessionId, clientId, connectionId, nodeId }: ConnectionIdentity,
    livingNodes: readonly string[] | undefined,
  ): Promise<string[] | 'session' | 'user'> {
    const now = redisNow();
    return this.redis.run((redis) =>
      redis.admitConnection(
        redisKeys.connectionsOfUser(userId),
        now,
        now - this.staleAfterMs,
        this.staleAfterMs,
        sessionId,
        clientId,
        connectionId,
        nodeId,
        this.maxPerSession,
        this.maxPerUser,
        // The connection's own node is alive even if the list lacks it.
        livingNodes === undefined ? '' : [...livingNodes, nodeId].join(' '),
        // A node that started after the list was read is not in it: recent connections count anyway.
        now - NODE_UNKNOWN_MS,
      ),
    );
  }

  async leave(connection: ConnectionIdentity): Promise<void> {
    const key = redisKeys.connectionsOfUser(connection.userId);
    await this.redis.run((redis) => redis.zrem(key, memberOf(connection)));
  }

  /** Renews the entry of a connection. */
  async renew(connection: ConnectionIdentity): Promise<void> {
    const key = redisKeys.connectionsOfUser(connection.userId);
    await this.redis.run((redis) =>
      Promise.all([redis.zadd(key, redisNow(), memberOf(connection)), redis.pexpire(key, this.staleAfterMs)]),
    );
  }

  async publishReplaced(connectionIds: readonly string[]): Promise<void> {
    await this.redis.run((redis) => redis.publish(redisChannels.connectionReplaced, connectionIds.join(' ')));
  }

  async onReplaced(listener: (connectionId: string) => void): Promise<void> {
    const { subscriber } = this.redis;
    subscriber.on('message', (channel: string, message: string) => {
      if (channel !== redisChannels.connectionReplaced) return;
      for (const connectionId of message.split(' ')) listener(connectionId);
    });
    await subscriber.subscribe(redisChannels.connectionReplaced);
  }
}

/** How long after its last heartbeat a connection counts as open. */
export function staleAfterMs({ heartbeatSeconds }: Config): number {
  return Math.max(90_000, 3 * heartbeatSeconds * 1000);
}

function memberOf({ sessionId, clientId, connectionId, nodeId }: ConnectionIdentity): string {
  return `${sessionId}|${clientId}|${connectionId}|${nodeId}`;
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    admitConnection(
      key: string,
      nowMs: number,
      staleBeforeMs: number,
      ttlMs: number,
      sessionId: string,
      clientId: string,
      connectionId: string,
      nodeId: string,
      maxPerSession: number,
      maxPerUser: number,
      livingNodes: string,
      unknownSinceMs: number,
    ): Result<string[] | 'session' | 'user', Context>;
  }
}
