import { Injectable } from '@nestjs/common';
import type { Result } from 'ioredis';
import { Config } from '../../config/config.js';
import { redisChannels, redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';
import { redisNow } from '../../redis/redis-clock.js';

/**
 * Adds a connection to those of its user on all nodes. It replaces connections of the same session and client, which
 * are not counted, and removes those that are too old or, if the living nodes are given, of dead nodes. Returns
 * `session` or `user` if that limit is reached, otherwise the ids of the replaced connections.
 */
const ADMIT = `
local ofSession, ofUser, replaced = 0, 0, {}
local session, client, living = ARGV[4], ARGV[5], ARGV[10]
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for index = 1, #members, 2 do
  local member, since = members[index], tonumber(members[index + 1])
  local s, c, id, node = string.match(member, '^([^|]*)|([^|]*)|([^|]*)|(.*)$')
  if s == session and c == client then
    replaced[#replaced + 1] = member
  elseif since <= tonumber(ARGV[2]) or
      living ~= '' and since < tonumber(ARGV[11]) and not string.find(living, node, 1, true) then
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

/** The connections of each user, across the cluster, since when they are open. */
@Injectable()
export class ConnectionStore {
  /** No connection outlives its session. */
  private readonly longestLifeMs: number;
  private readonly maxPerSession: number;
  private readonly maxPerUser: number;

  constructor(
    private readonly redis: RedisService,
    config: Config,
  ) {
    this.longestLifeMs = config.sessionMaxSeconds * 1000;
    this.maxPerSession = config.maxConnectionsPerSession;
    this.maxPerUser = config.maxConnectionsPerUser;
    redis.client.defineCommand('admitConnection', { numberOfKeys: 1, lua: ADMIT });
  }

  /**
   * @param livingNodes nodes whose connections count, if that is known; otherwise all count
   * @returns the connections that this one replaces, or the limit that it would exceed.
   */
  async admit(
    { userId, sessionId, clientId, connectionId, nodeId }: ConnectionIdentity,
    livingNodes?: readonly string[],
  ): Promise<string[] | 'session' | 'user'> {
    const now = redisNow();
    return this.redis.run((redis) =>
      redis.admitConnection(
        redisKeys.connectionsOfUser(userId),
        now,
        now - this.longestLifeMs,
        this.longestLifeMs,
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

  /** Removes connections. */
  async leave(connections: readonly ConnectionIdentity[]): Promise<void> {
    await this.redis.run((redis) =>
      Promise.all(byUser(connections).map(([key, members]) => redis.zrem(key, ...members))),
    );
  }

  /** Adds connections that are open, without a limit. */
  async enter(connections: readonly ConnectionIdentity[]): Promise<void> {
    const now = redisNow();
    await this.redis.run((redis) =>
      Promise.all(
        byUser(connections).flatMap(([key, members]) => [
          redis.zadd(key, ...members.flatMap((member) => [now, member])),
          redis.pexpire(key, this.longestLifeMs),
        ]),
      ),
    );
  }

  async publishReplaced(connectionIds: readonly string[]): Promise<void> {
    await this.redis.run((redis) => redis.publish(redisChannels.connectionReplaced, connectionIds.join(' ')));
  }

  onReplaced(listener: (connectionId: string) => void): void {
    this.redis.subscriber.on('message', (channel: string, message: string) => {
      if (channel !== redisChannels.connectionReplaced) return;
      for (const connectionId of message.split(' ')) listener(connectionId);
    });
    this.redis.listen(redisChannels.connectionReplaced);
  }
}

/** The key of each user, with the members that stand for these connections. */
function byUser(connections: readonly ConnectionIdentity[]): [string, string[]][] {
  const members = new Map<string, string[]>();
  for (const connection of connections) {
    const key = redisKeys.connectionsOfUser(connection.userId);
    const known = members.get(key);
    if (known === undefined) members.set(key, [memberOf(connection)]);
    else known.push(memberOf(connection));
  }
  return [...members];
}

function memberOf({ sessionId, clientId, connectionId, nodeId }: ConnectionIdentity): string {
  return `${sessionId}|${clientId}|${connectionId}|${nodeId}`;
}

declare module 'ioredis' {
  interface RedisCommander<Context> {
    admitConnection(
      key: string,
      nowMs: number,
      openSinceMs: number,
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
