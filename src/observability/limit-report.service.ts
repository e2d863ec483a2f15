import { Injectable } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { RefusalLog } from './refusal-log.service.js';

/** Limits whose refusals are reported here; those of a credential are reported with the decision about it. */
export type ReportedLimit =
  'requests' | 'messages' | 'registrations' | 'registrations_of_email' | 'hashes' | 'tickets' | 'frames';

/** Counts each refusal by a limit, and logs it in bounded lines. */
@Injectable()
export class LimitReport {
  constructor(
    private readonly metrics: Metrics,
    private readonly refusals: RefusalLog,
  ) {}

  /** @param subject whose limit it is: an address, a user id or a digest */
  refused(limit: ReportedLimit, subject: string): void {
    this.metrics.rateLimited.labels(limit).inc();
    this.refusals.write('warn', 'limit.reached', limit, subject, { reason: 'rate_limited', limit, subject });
  }
}
