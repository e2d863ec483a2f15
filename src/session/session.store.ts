import { Injectable } from '@nestjs/common';
import type { Role } from '../../protocol/resources.js';
import { redisChannels, redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import type { ChangedSession, EndedSession, ListedSession, SessionRecord } from './session-record.js';
import { redisNow } from '../redis/redis-clock.js';

/** Longest time for which an ended session's reason is remembered. */
const END_REASON_TTL_SECONDS = 3600;

/** Digests of a session that are remembered: the good one and the used ones before it. */
const REFRESH_DIGESTS = 64;

/** Score of the one digest that is good; that of a used one is when it was used. */
const GOOD = 0;

/**
 * Makes the next refresh token the good one, if the one presented is it. That the next one is good already means that the
 * one presented is the one used last, for only from that it is made. One key, so that it works on a cluster, and one
 * script, so that simultaneous uses come one after the other.
 */
const ROTATE_REFRESH = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
local presented, next, graceMs = ARGV[1], ARGV[2], tonumber(ARGV[3])
local used = tonumber(redis.call('ZSCORE', KEYS[1], presented))
if not used then return 'unknown' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if used == ${GOOD} then
  redis.call('ZADD', KEYS[1], now, presented, ${GOOD}, next)
  redis.call('ZREMRANGEBYRANK', KEYS[1], 1, -${REFRESH_DIGESTS})
  return 'rotated'
end
local isLast = tonumber(redis.call('ZSCORE', KEYS[1], next)) == ${GOOD}
return isLast and now - used < graceMs and 'repeated' or 'used'`;

export type RotationResult = 'rotated' | 'repeated' | 'used' | 'unknown' | 'gone';

@Injectable()
export class SessionStore {
  constructor(private readonly redis: RedisService) {}

  async create(
    record: SessionRecord,
    refreshDigest: string,
    ttlSeconds: number,
    maxSeconds: number,
  ): Promise<void> {
    const index = redisKeys.sessionsOfUser(record.user_id);
    const refresh = redisKeys.sessionRefresh(record.user_id, record.session_id);
    await this.redis.run((redis) =>
      Promise.all([
        redis.set(
          redisKeys.session(record.user_id, record.session_id),
          JSON.stringify(record),
          'EX',
          ttlSeconds,
        ),
        redis.zadd(refresh, GOOD, refreshDigest),
        redis.expire(refresh, maxSeconds),
        // Each sign-in gives the list a new life: who signs in often enough would never be rid of what is over.
        redis.zremrangebyscore(index, '-inf', redisNow()),
        redis.zadd(index, record.absolute_expires_at, record.session_id),
        redis.expire(index, maxSeconds),
        redis.set(redisKeys.sessionOwner(record.session_id), record.user_id, 'EX', maxSeconds),
      ]),
    );
  }

  /** Reads a session and, with `ttlSeconds`, gives it that long to live from now. */
  async read(userId: string, sessionId: string, ttlSeconds?: number): Promise<SessionRecord | undefined> {
    const key = redisKeys.session(userId, sessionId);
    const json = await this.redis.run((redis) =>
      ttlSeconds === undefined ? redis.get(key) : redis.getex(key, 'EX', ttlSeconds),
    );
    return json === null ? undefined : (JSON.parse(json) as SessionRecord);
  }

  /** Whose a session is that may still live. */
  async ownerOf(sessionId: string): Promise<string | undefined> {
    return (await this.redis.run((redis) => redis.get(redisKeys.sessionOwner(sessionId)))) ?? undefined;
  }

  /** Ids of a user's sessions that may still live. */
  async idsOfUser(userId: string): Promise<string[]> {
    const index = redisKeys.sessionsOfUser(userId);
    return this.redis.run((redis) => redis.zrangebyscore(index, redisNow(), '+inf'));
  }

  /**
   * A user's sessions that live. When each was last used is what is left of its life, which every use makes whole again:
   * so a use costs no write of its own.
   */
  async list(userId: string, ttlSeconds: number): Promise<ListedSession[]> {
    const ids = await this.idsOfUser(userId);
    const found = await this.redis.run((redis) =>
      Promise.all(
        ids.map((id) => {
          const key = redisKeys.session(userId, id);
          return Promise.all([redis.get(key), redis.pttl(key)]);
        }),
      ),
    );
    const now = redisNow();
    return found.flatMap(([json, leftMs]) => {
      if (json === null) return [];
      const session = JSON.parse(json) as SessionRecord;
      return now < session.absolute_expires_at
        ? [{ session, lastSeenAtMs: now - Math.max(0, ttlSeconds * 1000 - leftMs) }]
        : [];
    });
  }

  /** Gives a session that lives another role, and tells every node. Its life is left as it is. */
  async changeRole(changed: ChangedSession, role: Role): Promise<boolean> {
    const key = redisKeys.session(changed.user_id, changed.session_id);
    const session = await this.read(changed.user_id, changed.session_id);
    if (session === undefined) return false;
    return this.redis.run(async (redis) => {
      // XX: a session that ended in between stays ended.
      const written = await redis.set(key, JSON.stringify({ ...session, role }), 'KEEPTTL', 'XX');
      if (written === null) return false;
      await redis.publish(redisChannels.sessionChanged, JSON.stringify(changed));
      return true;
    });
  }

  /** @param graceMs how long after its use the token used last may come again */
  async rotateRefresh(
    { userId, sessionId }: { userId: string; sessionId: string },
    { presented, next }: { presented: string; next: string },
    graceMs: number,
  ): Promise<RotationResult> {
    const key = redisKeys.sessionRefresh(userId, sessionId);
    return (await this.redis.run((redis) =>
      redis.eval(ROTATE_REFRESH, 1, key, presented, next, graceMs),
    )) as RotationResult;
  }

  /** Ends a session and tells every node. The order matters: nobody may read the session after the message. */
  async end(ended: EndedSession): Promise<void> {
    const { user_id: userId, session_id: sessionId } = ended;
    await this.redis.run(async (redis) => {
      await Promise.all([
        redis.del(redisKeys.session(userId, sessionId)),
        redis.del(redisKeys.sessionRefresh(userId, sessionId)),
        redis.del(redisKeys.sessionOwner(sessionId)),
        redis.zrem(redisKeys.sessionsOfUser(userId), sessionId),
        redis.set(redisKeys.sessionEnd(userId, sessionId), ended.reason, 'EX', END_REASON_TTL_SECONDS),
      ]);
      await redis.publish(redisChannels.sessionEnded, JSON.stringify(ended));
    });
  }

  /** Why a session that is gone was ended, or `undefined` when it ran out by itself. */
  async endReason(userId: string, sessionId: string): Promise<string | undefined> {
    const key = redisKeys.sessionEnd(userId, sessionId);
    return (await this.redis.run((redis) => redis.get(key))) ?? undefined;
  }

  /** Calls `listener` for each session that ends on any node. */
  onEnded(listener: (ended: EndedSession) => void): Promise<void> {
    return this.listen(redisChannels.sessionEnded, listener);
  }

  /** Calls `listener` for each session whose role is changed on any node. */
  onChanged(listener: (changed: ChangedSession) => void): Promise<void> {
    return this.listen(redisChannels.sessionChanged, listener);
  }

  private async listen<T>(wanted: string, listener: (told: T) => void): Promise<void> {
    const { subscriber } = this.redis;
    subscriber.on('message', (channel: string, message: string) => {
      if (channel === wanted) listener(JSON.parse(message) as T);
    });
    await subscriber.subscribe(wanted);
  }
}
