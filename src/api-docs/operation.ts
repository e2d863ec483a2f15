import type { z } from 'zod';
import type { ErrorCode } from '../../protocol/errors.js';
import type { JsonSchema } from './schema-registry.js';

/** Chapters, in the order in which a reader needs them. */
export const TAGS = [
  'Sign-in',
  'Tickets',
  'Sockets',
  'Conversations',
  'Administration',
  'Health',
  'Documents',
] as const;

/** What the document says about one route in addition to its controller: texts, responses and failures. */
export interface Operation {
  tag: (typeof TAGS)[number];
  summary: string;
  description?: string;
  /** Responses that are not problems, by status. */
  answers: Record<number, Answer>;
  /** Failures of this route only; those common to routes of its kind are added. */
  failures?: readonly Failure[];
  /** Path and query parameters whose schema says more than the controller's. */
  parameters?: Record<string, JsonSchema>;
  /** The body may be left out. */
  isBodyOptional?: boolean;
}

export interface Answer {
  description: string;
  /** A component, for JSON. */
  schema?: z.ZodType;
  /** For responses other than JSON. */
  mediaType?: string;
  headers?: Record<string, string>;
}

/** A code, with a status when it differs from the code's own. */
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
