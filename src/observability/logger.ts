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

/**
 * Structured logs: one JSON line per event on standard output. Lines are buffered and written in blocks, because one
 * write per line would cost more than the work that it logs.
 */
export class AppLogger implements LoggerService {
  private readonly pino: Logger;
  private readonly stream: ReturnType<typeof destination> | undefined;
  private readonly flushTimer: NodeJS.Timeout | undefined;

  constructor(config: Pick<Config, 'logLevel' | 'nodeName'>, stream?: DestinationStream) {
    this.stream = stream === undefined ? destination({ dest: 1, sync: false, minLength: 8192 }) : undefined;
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

  /** Writes the buffered lines at once: for the last lines of a process and those that others wait for. */
  flush(): void {
    this.stream?.flushSync();
  }

  close(): void {
    clearInterval(this.flushTimer);
    this.flush();
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
