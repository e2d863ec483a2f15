import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { Config } from '../config/config.js';

export type LogFields = Record<string, unknown>;

const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'password',
  'ticket',
  'token',
  'access_token',
  'refresh_token',
  'authorization',
  'cookie',
]);
const REDACTED = '[redacted]';

/** Credentials within longer texts: in a query string, after a scheme, or a JWT on its own. */
const SECRETS_IN_TEXT =
  /((?:ticket|token|session_token|access_token|refresh_token)=)[^&\s"\\]+|(Bearer[ .])[\w.~+/=-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*/gi;

/** How long a line may wait in memory before it is written. */
const FLUSH_INTERVAL_MS = 100;
/** While nobody reads what we write, lines up to this size wait in memory; further ones are lost and counted. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Time for the last lines of a process. */
const CLOSE_LIMIT_MS = 1000;

/**
 * Structured logs: one JSON line per event on standard output. Lines are buffered and written in blocks, because one
 * write per line would cost more than the work that it logs. No write waits on the event loop: what reads the log may be
 * slow, stopped or dead, and the node serves its users all the same.
 */
export class AppLogger implements LoggerService {
  private readonly pino: Logger;
  private readonly stream: ReturnType<typeof destination> | undefined;
  private readonly flushTimer: NodeJS.Timeout | undefined;
  /** Lines that found no room since the last one was written. */
  private lost = 0;
  /** What read the log has ended. */
  private isBroken = false;

  constructor(config: Pick<Config, 'logLevel' | 'nodeName'>, stream?: DestinationStream) {
    this.stream = stream === undefined ? this.standardOutput() : undefined;
    this.pino = pino(
      {
        level: config.logLevel,
        base: { node: config.nodeName },
        messageKey: 'message',
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        hooks: { streamWrite: redactText },
      },
      stream ?? this.stream!,
    );
    if (this.stream !== undefined) {
      this.flushTimer = setInterval(() => this.stream?.flush(), FLUSH_INTERVAL_MS);
      this.flushTimer.unref();
    }
  }

  info(event: string, fields: LogFields = {}): void {
    this.pino.info({ event, ...redactFields(fields) });
  }

  warn(event: unknown, fields: unknown = {}): void {
    this.pino.warn(toRecord(event, fields));
  }

  /** An internal failure that needs no immediate action. */
  error(event: unknown, fields: unknown = {}): void {
    this.pino.error(toRecord(event, fields));
  }

  /** An internal failure or an attack: an operator must look. */
  critical(event: string, fields: LogFields = {}): void {
    this.pino.error({ event, severity: 'CRITICAL', ...redactFields(fields) });
  }

  // The methods that Nest itself calls, with a message and its context.
  log(message: unknown, context?: unknown): void {
    this.pino.debug({ event: 'nest', context, message: String(message) });
  }

  debug(message: unknown, context?: unknown): void {
    this.log(message, context);
  }

  verbose(message: unknown, context?: unknown): void {
    this.log(message, context);
  }

  /** Writes the buffered lines soon: for those that others wait for. */
  flush(): void {
    this.stream?.flush();
  }

  /**
   * Writes the last lines of a process. Later ones are lost.
   * @returns false if nobody reads them. Then a write still waits in a thread of Node, which `process.exit` waits for.
   */
  async close(): Promise<boolean> {
    clearInterval(this.flushTimer);
    const { stream } = this;
    if (stream === undefined || this.isBroken) return true;
    // A later line would find a stream that has ended, which throws.
    this.pino.level = 'silent';
    return new Promise((resolve) => {
      const limit = setTimeout(() => resolve(false), CLOSE_LIMIT_MS);
      const written = () => {
        clearTimeout(limit);
        resolve(true);
      };
      stream.once('close', written);
      stream.once('error', written);
      stream.end();
    });
  }

  private standardOutput(): ReturnType<typeof destination> {
    const stream = destination({ dest: 1, sync: false, minLength: 8192, maxLength: MAX_WAITING_BYTES });
    // Without a reader pino writes no more (EPIPE); another error is as good a reason.
    stream.on('error', () => (this.isBroken = true));
    stream.on('drop', () => (this.lost += 1));
    stream.on('drain', () => this.reportLost());
    return stream;
  }

  private reportLost(): void {
    const { lost } = this;
    if (lost === 0) return;
    this.lost = 0;
    this.warn('log.lines_lost', { lost });
  }
}

export function redactText(line: string): string {
  return line.replace(
    SECRETS_IN_TEXT,
    (_match, query?: string, scheme?: string) => `${query ?? scheme ?? ''}[redacted]`,
  );
}

/** Hides what stands in a field with the name of a credential, also one level down. pino's own way costs ten times this. */
function redactFields(fields: LogFields): LogFields {
  let redacted: LogFields | undefined;
  for (const name in fields) {
    const value = fields[name];
    let shown = value;
    if (SECRET_FIELDS.has(name)) shown = value === undefined ? undefined : REDACTED;
    else if (isPlain(value) && Object.keys(value).some((inner) => SECRET_FIELDS.has(inner)))
      shown = Object.fromEntries(
        Object.entries(value).map(([inner, own]) => [inner, SECRET_FIELDS.has(inner) ? REDACTED : own]),
      );
    if (shown !== value) redacted = { ...(redacted ?? fields), [name]: shown };
  }
  return redacted ?? fields;
}

function isPlain(value: unknown): value is LogFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Error);
}

function toRecord(event: unknown, fields: unknown): LogFields {
  if (typeof fields === 'object' && fields !== null)
    return { event: String(event), ...redactFields(fields as LogFields) };
  // Nest calls warn(message, context) and error(message, stack).
  return { event: 'nest', message: event instanceof Error ? event.message : String(event), context: fields };
}
