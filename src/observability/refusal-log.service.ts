import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AppLogger, type LogFields } from './logger.js';
import { newTraceId } from './trace-id.js';

const WINDOW_MS = 10_000;
const SWEEP_INTERVAL_MS = 1000;
const MAX_CAUSES = 10_000;

type Severity = 'warn' | 'critical';

interface Line {
  severity: Severity;
  event: string;
  fields: LogFields;
  /** Trace id of the refusals of this cause, until the next line that is written at once. */
  traceId: string;
  writtenAtMs: number;
  /** Refusals since the last line. */
  swallowed: number;
}

/**
 * Log lines that clients can cause as fast as they like. The first of a cause is written at once, the rest as one line
 * every ten seconds; `count` is the number of refusals in a line, and the counts add up to all of them. All refusals of
 * one line have the same trace id, which is in the log before any answer carries it.
 */
@Injectable()
export class RefusalLogService implements OnModuleDestroy {
  /** By cause, the one that was written longest ago first. */
  private readonly lines = new Map<string, Line>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly logger: AppLogger) {}

  onModuleDestroy(): void {
    clearInterval(this.timer);
    for (const line of this.lines.values()) this.writeSwallowed(line);
    this.lines.clear();
  }

  /**
   * @param who an address, or a user where there is none: lines of one `event`, `reason` and `who` are one cause.
   * @returns the trace id of its log line.
   */
  write(
    severity: Severity,
    event: string,
    reason: string,
    who: string | undefined,
    fields: LogFields,
  ): string {
    const cause = `${event} ${reason} ${who ?? ''}`;
    const now = Date.now();
    const known = this.lines.get(cause);
    if (known !== undefined && now - known.writtenAtMs < WINDOW_MS) {
      known.swallowed += 1;
      known.fields = fields;
      return known.traceId;
    }
    const traceId = newTraceId();
    this.logger[severity](event, { ...fields, trace_id: traceId, count: (known?.swallowed ?? 0) + 1 });
    this.remember(cause, { severity, event, fields, traceId, writtenAtMs: now, swallowed: 0 });
    this.timer ??= setInterval(() => this.sweep(), SWEEP_INTERVAL_MS).unref();
    return traceId;
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

  private writeSwallowed({ severity, event, fields, traceId, swallowed }: Line): void {
    if (swallowed > 0) this.logger[severity](event, { ...fields, trace_id: traceId, count: swallowed });
  }
}
