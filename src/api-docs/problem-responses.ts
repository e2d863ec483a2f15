import { type ErrorCode, ERRORS, TOKEN_CODES } from '../../protocol/errors.js';
import type { Failure } from './operation.js';
import { problem } from './resource-schemas.js';
import type { RouteMarks } from './route-marks.js';
import { type JsonSchema, reference } from './schema-registry.js';

export const RATE_LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy'];

/** `components.headers`. */
export const HEADERS: Record<string, JsonSchema> = {
  RateLimit: header('Requests left until the limit: `"requests";r=599;t=60`, with `t` in seconds'),
  'RateLimit-Policy': header('The limit: `"requests";q=600;w=60`, with `w` in seconds'),
  'Retry-After': { ...header('Seconds to wait'), schema: { type: 'integer', minimum: 1 } },
  'WWW-Authenticate': header('`Bearer`'),
};

/** The problem response of a route for one status. */
export type ResponseObject = JsonSchema & { description: string };

export interface Circumstances extends RouteMarks {
  hasBody: boolean;
  hasParameters: boolean;
}

/** Failures common to all routes of this kind. */
export function commonFailures({ isPublic, isLimited, hasBody, hasParameters }: Circumstances): Failure[] {
  return [
    ...(isPublic ? [] : TOKEN_CODES),
    ...(isLimited ? (['rate_limited', 'dependency_unavailable'] as const) : []),
    ...(hasBody || hasParameters ? (['validation_failed'] as const) : []),
    ...(hasBody ? (['payload_too_large', { code: 'validation_failed', status: 415 }] as const) : []),
    'internal',
  ];
}

/** One response for each status, which names the codes that it can carry. */
export function problemResponses(
  failures: readonly Failure[],
  isLimited: boolean,
): Record<string, ResponseObject> {
  const codesByStatus = new Map<number, Set<ErrorCode>>();
  for (const failure of failures) {
    const code = typeof failure === 'string' ? failure : failure.code;
    const status = typeof failure === 'string' ? ERRORS[failure].status : failure.status;
    codesByStatus.set(status, (codesByStatus.get(status) ?? new Set()).add(code));
  }
  const statuses = [...codesByStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    statuses.map(([status, codes]) => [status, problemResponse(status, [...codes], isLimited)]),
  );
}

function problemResponse(status: number, codes: ErrorCode[], isLimited: boolean): ResponseObject {
  const schema = { allOf: [reference(problem), { type: 'object', properties: { code: { enum: codes } } }] };
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('. '),
    content: { 'application/problem+json': { schema } },
    headers: headerReferences(headersOf(status, isLimited)),
  };
}

function headersOf(status: number, isLimited: boolean): string[] {
  const limits = isLimited ? RATE_LIMIT_HEADERS : [];
  switch (status) {
    case 401:
      return [...limits, 'WWW-Authenticate'];
    case 429:
    case 503:
      return [...limits, 'Retry-After'];
    default:
      return limits;
  }
}

export function headerReferences(names: readonly string[]): Record<string, JsonSchema> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function header(description: string): JsonSchema {
  return { description, schema: { type: 'string' } };
}
