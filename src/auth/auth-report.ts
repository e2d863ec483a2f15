import { Injectable } from '@nestjs/common';
import type { AppError } from '../errors/app-error.js';
import { AppLogger } from '../observability/logger.js';
import { Metrics } from '../observability/metrics.js';

/** The ways on which a credential can come to be decided about. */
export type AuthPath = 'http' | 'upgrade' | 'frame' | 'password' | 'refresh';

/** Counts every decision of the authentication service, and logs each refusal with its reason. */
@Injectable()
export class AuthReport {
  private readonly accepted: Record<AuthPath, { inc(): void }>;

  constructor(
    private readonly metrics: Metrics,
    private readonly logger: AppLogger,
  ) {
    const bind = (path: AuthPath) => metrics.authAttempts.labels(path, 'accepted', 'none');
    this.accepted = {
      http: bind('http'),
      upgrade: bind('upgrade'),
      frame: bind('frame'),
      password: bind('password'),
      refresh: bind('refresh'),
    };
  }

  success(path: AuthPath): void {
    this.accepted[path].inc();
  }

  refusal(path: AuthPath, error: AppError, userId?: string): void {
    this.metrics.authAttempts.labels(path, 'refused', error.code).inc();
    const fields = { path, reason: error.code, detail: error.detail, user_id: userId };
    if (error.code === 'dependency_unavailable' || error.code === 'internal') {
      this.logger.critical('auth.failed', fields);
    } else {
      this.logger.warn('auth.refused', fields);
    }
  }
}
