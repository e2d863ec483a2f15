import type { z } from 'zod';
import type { ErrorCode } from '../../protocol/errors.js';
import type { JsonSchema } from './schema-registry.js';

/** Chapters, in the order in which somebody meets them. */
export const TAGS = [
  'Sign-in',
  'Tickets',
  'Sockets',
  'Conversations',
  'Administration',
  'Health',
  'Documents',
] as const;

/** What the document says about one route beyond what its controller says: words, answers and failures. */
export interface Operation {
  tag: (typeof TAGS)[number];
  summary: string;
  description?: string;
  /** Answers that are not problems, by status. */
  answers: Record<number, Answer>;
  /** Failures of this route alone; those that every route of its kind has are added. */
  failures?: readonly Failure[];
  /** Path and query parameters, where more is known than the controller's schema says. */
  parameters?: Record<string, JsonSchema>;
  /** The body may be left out. */
  isBodyOptional?: boolean;
}

export interface Answer {
  description: string;
  /** A component, for JSON. */
  schema?: z.ZodType;
  /** For anything but JSON. */
  mediaType?: string;
  headers?: Record<string, string>;
}

/** A code, with a status where it is not the code's own. */
export type Failure = ErrorCode | { code: ErrorCode; status: number };

/** By method and path, such as `POST /websocket/ticket`. */
export type Operations = Record<string, Operation>;

export const UUID_PARAMETER: JsonSchema = { type: 'string', format: 'uuid' };

/** A whole number in a query. */
export function numberParameter(minimum: number, maximum?: number, preset?: number): JsonSchema {
  return {
    type: 'integer',
    minimum,
    ...(maximum === undefined ? {} : { maximum }),
    ...(preset === undefined ? {} : { default: preset }),
  };
}
