import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import { RedisService } from '../../redis/redis.service.js';

/** How long Redis or Postgres may be down before open sockets are closed. */
const DEPENDENCY_GRACE_MS = 30_000;

/** Decides how long open sockets stay while Redis or Postgres is down. */
@Injectable()
export class DependencyGraceService {
  private lostSinceMs: number | undefined;

  constructor(
    private readonly redis: RedisService,
    private readonly database: DatabaseService,
  ) {}

  /** Whether Redis or Postgres has been down for longer than the grace period. Must be called about once a second. */
  isOver(now: number): boolean {
    if (this.redis.isUp && this.redis.isListening && this.database.isUp) {
      this.lostSinceMs = undefined;
      return false;
    }
    this.lostSinceMs ??= now;
    return now - this.lostSinceMs >= DEPENDENCY_GRACE_MS;
  }

  /** Calls `listener` when messages arrive again after some may have been lost. */
  onListeningAgain(listener: () => void): void {
    this.redis.onListeningAgain(listener);
  }
}
