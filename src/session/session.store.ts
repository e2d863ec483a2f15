import { Injectable } from '@nestjs/common';
import type { Role } from '../../protocol/resources.js';
import { redisChannels, redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import type { ChangedSession, EndedSession, ListedSession, SessionRecord } from './session-record.js';
import { redisNow } from '../redis/redis-clock.js';

/** Longest time for which an ended session's reason is remembered. */
const END_REASON_TTL_SECONDS = 3600;

/** Number of digests kept per session: the valid one and the used ones before it. */
const REFRESH_DIGESTS = 64;

/** Score of the one valid digest; the score of a used one is the time of its use. */
const GOOD = 0;

/**
 * Makes the next refresh token the valid one, if the presented one is valid. If the next one is already valid, the
 * presented one is the last used one, because the next one is derived only from it. One key, so that it works on a
 * cluster, and one script, so that simultaneous uses run one after the other.
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
        // Each sign-in renews the list's TTL: with frequent sign-ins, expired entries would otherwise stay forever.
        redis.zremrangebyscore(index, '-inf', redisNow()),
        redis.zadd(index, record.absolute_expires_at, record.session_id),
        redis.expire(index, maxSeconds),
        redis.set(redisKeys.sessionOwner(record.session_id), record.user_id, 'EX', maxSeconds),
      ]),
    );
  }

  /** Reads a session and, with `ttlSeconds`, sets its TTL from now. */
  async read(userId: string, sessionId: string, ttlSeconds?: number): Promise<SessionRecord | undefined> {
    const key = redisKeys.session(userId, sessionId);
    const json = await this.redis.run((redis) =>
      ttlSeconds === undefined ? redis.get(key) : redis.getex(key, 'EX', ttlSeconds),
    );
    return json === null ? undefined : (JSON.parse(json) as SessionRecord);
  }

  /** The owner of a session that may still be live. */
  async ownerOf(sessionId: string): Promise<string | undefined> {
    return (await this.redis.run((redis) => redis.get(redisKeys.sessionOwner(sessionId)))) ?? undefined;
  }

  /** Ids of a user's sessions that may still be live. */
  async idsOfUser(userId: string): Promise<string[]> {
    const index = redisKeys.sessionsOfUser(userId);
    return this.redis.run((redis) => redis.zrangebyscore(index, redisNow(), '+inf'));
  }

  /**
   * A user's live sessions. The last use is computed from the remaining TTL, which every use resets, so that it needs
   * no write of its own.
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

  /** Changes the role of a live session, and tells every node. Its TTL does not change. */
  async changeRole(changed: ChangedSession, role: Role): Promise<boolean> {
    const key = redisKeys.session(changed.user_id, changed.session_id);
    const session = await this.read(changed.user_id, changed.session_id);
    if (session === undefined) return false;
    return this.redis.run(async (redis) => {
      // XX: a session that ended in the meantime stays ended.
      const written = await redis.set(key, JSON.stringify({ ...session, role }), 'KEEPTTL', 'XX');
      if (written === null) return false;
      await redis.publish(redisChannels.sessionChanged, JSON.stringify(changed));
      return true;
    });
  }

  /** @param graceMs how long after its use the last used token may be sent again */
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

  /** Why a session was ended, or `undefined` if it expired. */
  async endReason(userId: string, sessionId: string): Promise<string | undefined> {
    const key = redisKeys.sessionEnd(userId, sessionId);
    return (await this.redis.run((redis) => redis.get(key))) ?? undefined;
  }

  /** Calls `listener` for each session that ends on any node. */
  onEnded(listener: (ended: EndedSession) => void): void {
    this.listen(redisChannels.sessionEnded, listener);
  }

  /** Calls `listener` for each session whose role changes on any node. */
  onChanged(listener: (changed: ChangedSession) => void): void {
    this.listen(redisChannels.sessionChanged, listener);
  }

  private listen<T>(wanted: string, listener: (told: T) => void): void {
    this.redis.subscriber.on('message', (channel: string, message: string) => {
      if (channel === wanted) listener(JSON.parse(message) as T);
    });
    this.redis.listen(wanted);
  }
}
