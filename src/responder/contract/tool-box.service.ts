import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { ToolCall, ToolOutcome, Turn } from './responder.js';
import { clip } from './storable-text.js';

/** What a tool may use besides its arguments. */
export interface ToolContext {
  /** The conversation so far, oldest first, ending with the current question; or a function that returns it. */
  turns: readonly Turn[] | ((signal: AbortSignal) => Promise<readonly Turn[]>);
  /** Aborted when the run is cancelled. */
  signal?: AbortSignal;
  /** Milliseconds that a tool may take; default 5,000. */
  timeLimitMs?: number;
}

/** In the format of Ollama's `tools` (docs.ollama.com/capabilities/tool-calling). */
export interface ToolDefinition {
  type: 'function';
  function: { name: string; description: string; parameters: Record<string, unknown> };
}

interface Tool {
  definition: ToolDefinition;
  run(given: unknown, context: ToolContext, signal: AbortSignal): Promise<unknown>;
}

const TIME_LIMIT_MS = 5000;
const DEFAULT_MATCHES = 5;
const MAX_MATCHES = 20;
const MAX_QUERY_LENGTH = 200;
const EXCERPT_LENGTH = 160;

/** The tools that a responder may use. All are read-only. */
@Injectable()
export class ToolBoxService {
  definitions(): ToolDefinition[] {
    return TOOLS.map((tool) => tool.definition);
  }

  /** Runs one tool for a limited time. Never rejects: a failure becomes an `error` that the model can read. */
  async call(call: Pick<ToolCall, 'name' | 'arguments'>, context: ToolContext): Promise<ToolOutcome> {
    const tool = TOOLS.find(({ definition }) => definition.function.name === call.name);
    if (tool === undefined)
      return { error: `expected one of the tools ${toolNames()}, not "${clip(call.name, 64)}"` };
    const stop = new AbortController();
    const { timeLimitMs = TIME_LIMIT_MS } = context;
    const timer = setTimeout(
      () => stop.abort(`expected a result within ${timeLimitMs} ms, none came`),
      timeLimitMs,
    );
    const cancel = (): void => stop.abort('the run was cancelled');
    context.signal?.addEventListener('abort', cancel, { once: true });
    if (context.signal?.aborted === true) cancel();
    try {
      const output = await Promise.race([
        tool.run(call.arguments, context, stop.signal),
        rejectionOf(stop.signal),
      ]);
      return { output };
    } catch (error) {
      if (stop.signal.aborted) return { error: String(stop.signal.reason) };
      return { error: error instanceof z.ZodError ? argumentFault(error) : 'the tool failed' };
    } finally {
      clearTimeout(timer);
      context.signal?.removeEventListener('abort', cancel);
    }
  }
}

const timeArguments = z.strictObject({
  timezone: z
    .string()
    .refine(isTimezone, {
      error: ({ input }) =>
        `must be an IANA time zone such as "Europe/Berlin", not "${clip(String(input), 64)}"`,
    })
    .default('UTC')
    .describe('IANA time zone such as "Europe/Berlin"; default UTC'),
});

const searchArguments = z.strictObject({
  query: z.string().trim().min(1).max(MAX_QUERY_LENGTH).describe('words to look for; case is ignored'),
  limit: z
    .int()
    .min(1)
    .max(MAX_MATCHES)
    .default(DEFAULT_MATCHES)
    .describe('how many matches to return at most'),
});

const TOOLS: readonly Tool[] = [
  {
    definition: define('current_time', 'The present date and time, in ISO 8601.', timeArguments),
    run: async (given) => {
      const { timezone } = timeArguments.parse(given);
      return { time: isoTime(new Date(), timezone), timezone };
    },
  },
  {
    definition: define(
      'conversation_search',
      'Finds earlier messages of this conversation.',
      searchArguments,
    ),
    run: async (given, context, signal) => {
      const { query, limit } = searchArguments.parse(given);
      const turns = typeof context.turns === 'function' ? await context.turns(signal) : context.turns;
      return searchTurns(turns, query, limit);
    },
  },
];

function define(name: string, description: string, schema: z.ZodType): ToolDefinition {
  const { $schema: _dialect, ...parameters } = z.toJSONSchema(schema, { io: 'input' });
  return { type: 'function', function: { name, description, parameters } };
}

function toolNames(): string {
  return TOOLS.map(({ definition }) => definition.function.name).join(', ');
}

function argumentFault(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `"${path.join('.')}": ${message}`))
    .join('; ');
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const give = (): void => reject(new Error('aborted'));
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** `2026-11-03T15:04:05+01:00`; in UTC with `Z`. */
function isoTime(now: Date, timezone: string): string {
  const format = new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(now).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  const offset = name.replace('GMT', '');
  if (offset === '' || offset === '+00:00') return `${now.toISOString().slice(0, 19)}Z`;
  const [hours = 0, minutes = 0, seconds = 0] = offset.slice(1).split(':').map(Number);
  const offsetMs = ((hours * 60 + minutes) * 60 + seconds) * 1000 * (offset.startsWith('-') ? -1 : 1);
  return `${new Date(now.getTime() + offsetMs).toISOString().slice(0, 19)}${offset}`;
}

interface Match {
  /** Which message of the conversation it is, from 1. */
  position: number;
  role: Turn['role'];
  excerpt: string;
}

function searchTurns(
  turns: readonly Turn[],
  query: string,
  limit: number,
): { query: string; total: number; matches: Match[] } {
  // "u" for whole characters, and for case folding beyond ASCII.
  const pattern = new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'iu');
  const matches = turns.slice(0, -1).flatMap(({ role, content }, index) => {
    const found = pattern.exec(content);
    return found === null
      ? []
      : [{ position: index + 1, role, excerpt: excerptAround(content, found.index) }];
  });
  return { query, total: matches.length, matches: matches.slice(0, limit) };
}

function excerptAround(content: string, at: number): string {
  let start = Math.max(0, at - EXCERPT_LENGTH / 4);
  const code = content.charCodeAt(start);
  // Do not split a surrogate pair.
  if (code >= 0xdc00 && code <= 0xdfff) start += 1;
  const excerpt = clip(content.slice(start), EXCERPT_LENGTH);
  const end = start + excerpt.length;
  return `${start > 0 ? '…' : ''}${excerpt}${end < content.length ? '…' : ''}`;
}
