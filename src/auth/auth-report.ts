import { Injectable } from '@nestjs/common';
import type { AppError } from '../errors/app-error.js';
import { Metrics } from '../observability/metrics.js';
import { isFault, severityOf } from '../observability/refusal-severity.js';
import { RefusalLog } from '../observability/refusal-log.service.js';

/** The ways on which a credential can come to be decided about. */
export type AuthPath = 'http' | 'upgrade' | 'first_message' | 'frame' | 'password' | 'refresh' | 'exchange';

/** Paths that are open only while their flag is on. */
const FLAGS: Readonly<Record<string, string>> = {
  first_message: 'legacy_first_message',
  exchange: 'legacy_token_formats',
};

/** What one path has decided since this node started. */
export interface PathUsage {
  path: AuthPath;
  /** What switches it; null where nothing does. */
  flag: string | null;
  accepted: number;
  refused: number;
  last_used_at: string | null;
}

/** Counts every decision of the authentication service, and logs each refusal with its reason, in bounded lines. */
@Injectable()
export class AuthReport {
  private readonly usage = new Map<string, { accepted: number; refused: number; lastMs: number }>();
  private readonly accepted: Record<AuthPath, { inc(): void }>;

  constructor(
    private readonly metrics: Metrics,
    private readonly refusals: RefusalLog,
  ) {
    const bind = (path: AuthPath) => metrics.authAttempts.labels(path, 'accepted', 'none');
    this.accepted = {
      http: bind('http'),
      upgrade: bind('upgrade'),
      first_message: bind('first_message'),
      frame: bind('frame'),
      password: bind('password'),
      refresh: bind('refresh'),
      exchange: bind('exchange'),
    };
  }

  success(path: AuthPath): void {
    this.accepted[path].inc();
    this.use(path).accepted += 1;
  }

  /** @param address network address of whoever was refused, where it is known */
  refusal(path: AuthPath, error: AppError, userId?: string, address?: string): void {
    this.metrics.authAttempts.labels(path, 'refused', error.code).inc();
    this.use(path).refused += 1;
    const fields = { path, reason: error.code, detail: error.detail, user_id: userId, address };
    const event = isFault(error.code) ? 'auth.failed' : 'auth.refused';
    this.refusals.write(severityOf(error.code), event, `${path} ${error.code}`, address ?? userId, fields);
  }

  /** Every path that there is, used or not. */
  paths(): PathUsage[] {
    return Object.keys(this.accepted).map((path) => {
      const { accepted = 0, refused = 0, lastMs } = this.usage.get(path) ?? {};
      const last_used_at = lastMs === undefined ? null : new Date(lastMs).toISOString();
      return { path: path as AuthPath, flag: FLAGS[path] ?? null, accepted, refused, last_used_at };
    });
  }

  private use(path: AuthPath): { accepted: number; refused: number; lastMs: number } {
    const usage = this.usage.get(path) ?? { accepted: 0, refused: 0, lastMs: 0 };
    usage.lastMs = Date.now();
    this.usage.set(path, usage);
    return usage;
  }
}
