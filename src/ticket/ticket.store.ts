import { Injectable } from '@nestjs/common';
import { redisKeys } from '../redis/redis-keys.js';
import { RedisService } from '../redis/redis.service.js';
import type { TicketClaims } from './ticket-claims.js';
import type { TicketDigest } from './ticket.js';

/** The claims of unused tickets. */
@Injectable()
export class TicketStore {
  constructor(private readonly redis: RedisService) {}

  /** Stores a new ticket. */
  async add(digest: TicketDigest, claims: TicketClaims, ttlSeconds: number): Promise<void> {
    const json = JSON.stringify(claims);
    await this.redis.run((redis) => redis.set(redisKeys.ticket(digest.hex), json, 'EX', ttlSeconds, 'NX'));
  }

  /** Removes a ticket: of any number of callers exactly one gets its claims. */
  async take(digest: TicketDigest): Promise<TicketClaims | undefined> {
    const json = await this.redis.run((redis) => redis.getdel(redisKeys.ticket(digest.hex)));
    return json === null ? undefined : (JSON.parse(json) as TicketClaims);
  }
}
