import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AppLogger, type LogFields } from './logger.js';

const WINDOW_MS = 10_000;
const SWEEP_INTERVAL_MS = 1000;
const MAX_CAUSES = 10_000;

type Severity = 'warn' | 'critical';

interface Line {
  severity: Severity;
  event: string;
  fields: LogFields;
  writtenAtMs: number;
  /** Since the last line. */
  swallowed: number;
}

/**
 * Log lines that strangers can cause as fast as they like. The first of a cause is written at once, the rest as one line
 * every ten seconds; `count` says how many a line stands for, and the counts add up to all of them.
 */
@Injectable()
export class RefusalLogService implements OnModuleInit, OnModuleDestroy {
  /** By cause, the one written longest ago first. */
  private readonly lines = new Map<string, Line>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly logger: AppLogger) {}

  onModuleInit(): void {
    this.timer = setInterval(() => this.sweep(), SWEEP_INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
    for (const line of this.lines.values()) this.writeSwallowed(line);
    this.lines.clear();
  }

  /** @param who an address, or a user where there is none: lines of one `event`, `reason` and `who` are one cause. */
  write(severity: Severity, event: string, reason: string, who: string | undefined, fields: LogFields): void {
    const cause = `${event} ${reason} ${who ?? ''}`;
    const now = Date.now();
    const known = this.lines.get(cause);
    if (known !== undefined && now - known.writtenAtMs < WINDOW_MS) {
      known.swallowed += 1;
      known.fields = fields;
      return;
    }
    this.logger[severity](event, { ...fields, count: (known?.swallowed ?? 0) + 1 });
    this.remember(cause, { severity, event, fields, writtenAtMs: now, swallowed: 0 });
  }

  private remember(cause: string, line: Line): void {
    this.lines.delete(cause);
    this.lines.set(cause, line);
    if (this.lines.size <= MAX_CAUSES) return;
    for (const [oldest, forgotten] of this.lines) {
      this.lines.delete(oldest);
      this.writeSwallowed(forgotten);
      return;
    }
  }

  private sweep(): void {
    const now = Date.now();
    for (const [cause, line] of this.lines) {
      if (now - line.writtenAtMs < WINDOW_MS) return;
      this.lines.delete(cause);
      if (line.swallowed === 0) continue;
      this.writeSwallowed(line);
      this.lines.set(cause, { ...line, writtenAtMs: now, swallowed: 0 });
    }
  }

  private writeSwallowed({ severity, event, fields, swallowed }: Line): void {
    if (swallowed > 0) this.logger[severity](event, { ...fields, count: swallowed });
  }
}
