import type { ClientRequest, IncomingMessage } from 'node:http';
import { AppError } from '../../errors/app-error.js';
import { storableText } from '../../../protocol/text.js';
import { clip } from '../contract/storable-text.js';

/** Longest text from the model server in an error's detail. */
const MAX_QUOTE_LENGTH = 300;
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** Longest part of an error's page that is read. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/** The model server answered with an error status. */
export class ModelRefusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    /** What the server asked for in `Retry-After`. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(`status ${status}: ${reason}`);
  }

  /** The server has no room now, or is loading the model: it may answer the same question later. */
  get isBusy(): boolean {
    return this.status === 429 || this.status === 503;
  }

  get isLoading(): boolean {
    return this.status === 503 && /\bloading\b/i.test(this.reason);
  }
}

/** The stream is malformed; the message says what was expected and what came. */
export class MalformedStreamError extends Error {}

export function modelUnavailable(detail: string, cause?: unknown): AppError {
  return new AppError('dependency_unavailable', { detail, cause });
}

/** A text from the model server, made safe for an error's detail. */
export function quote(text: string): string {
  return `"${clip(storableText(text), MAX_QUOTE_LENGTH)}"`;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // Kept for the request's whole life: destroying it later emits another error, which would be uncaught.
    request.on('error', reject);
  });
}

export async function refusal(response: IncomingMessage): Promise<ModelRefusal> {
  const text = await readText(response, MAX_REFUSAL_BYTES);
  const reason = errorIn(parseJson(text)) ?? response.statusMessage ?? '';
  return new ModelRefusal(response.statusCode ?? 0, reason, retryAfterOf(response.headers['retry-after']));
}

/** @throws AppError `dependency_unavailable` for more than `maxBytes` */
export async function readText(response: IncomingMessage, maxBytes = MAX_DOCUMENT_BYTES): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw modelUnavailable(`expected at most ${maxBytes} bytes from the model server, more came`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `undefined` for a text that is not JSON, for example a proxy's error page. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The server's own words: `{"error": "…"}`, `{"error": {"message": "…"}}` or `{"message": "…"}`. */
export function errorIn(document: unknown): string | undefined {
  if (!isObject(document)) return undefined;
  const { error } = document;
  if (typeof error === 'string') return error;
  if (isObject(error)) return typeof error.message === 'string' ? error.message : JSON.stringify(error);
  return typeof document.message === 'string' ? document.message : undefined;
}

/** @throws AppError `dependency_unavailable` when the model says that it failed */
export function requireNoError(document: unknown): void {
  if (!isObject(document) || document.error === undefined || document.error === null) return;
  throw modelUnavailable(`expected the model to go on, it reported ${quote(errorIn(document) ?? '')}`);
}

/** Converts any failure of a request to the model server into the error that the caller gets. */
export function asAppError(error: unknown, model: string): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof MalformedStreamError)
    return modelUnavailable(`the model's answer: ${error.message}`, error);
  if (error instanceof ModelRefusal) return modelUnavailable(refusalDetail(error, model), error);
  return modelUnavailable(
    `expected an answer from the model, the connection failed: ${codeOf(error)}`,
    error,
  );
}

export function codeOf(error: unknown): string {
  return isObject(error) && typeof error.code === 'string' ? error.code : 'unknown reason';
}

function refusalDetail({ status, reason }: ModelRefusal, model: string): string {
  if (status === 404)
    return `expected the model ${quote(model)}, the model server answered 404 ${quote(reason)}`;
  const came = `expected status 200 from the model, ${status} came: ${quote(reason)}`;
  // The conversation is sent only to the configured server.
  return status >= 300 && status < 400 ? `${came}; redirects are not followed` : came;
}

/** Milliseconds; the header holds seconds or a date. */
function retryAfterOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
