import type { ClientRequest, IncomingMessage } from 'node:http';
import { AppError } from '../../errors/app-error.js';
import { NdjsonError } from './ndjson.js';
import { isObject, modelUnavailable, quote } from './ollama-line.js';

/** The model server answered with an error status. */
export class OllamaRefusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
  ) {
    super(`status ${status}: ${reason}`);
  }
}

const MAX_DOCUMENT_BYTES = 1024 * 1024;

export function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // Kept for the request's whole life: destroying it later emits another error, which would be uncaught.
    request.on('error', reject);
  });
}

/** @throws OllamaRefusal or AppError unless the response is a stream of lines */
export async function requireStream(response: IncomingMessage): Promise<void> {
  if (response.statusCode !== 200) throw await refusal(response);
  const type = response.headers['content-type'];
  if (type?.split(';')[0]?.trim().toLowerCase() === 'application/x-ndjson') return;
  throw modelUnavailable(`expected application/x-ndjson from the model, ${quote(type ?? 'no type')} came`);
}

export async function refusal(response: IncomingMessage): Promise<OllamaRefusal> {
  const text = await readText(response);
  return new OllamaRefusal(response.statusCode ?? 0, errorIn(text) ?? response.statusMessage ?? '');
}

/** The names in the answer of `GET /api/tags`. */
export async function modelNames(response: IncomingMessage): Promise<string[]> {
  const document = parseJson(await readText(response));
  const models = isObject(document) ? document.models : undefined;
  if (!Array.isArray(models))
    throw modelUnavailable('expected {"models":[…]} from the model server, something else came');
  return models.flatMap((model) => (isObject(model) && typeof model.name === 'string' ? [model.name] : []));
}

/** Converts any failure of a request to the model server into the error that the caller gets. */
export function asAppError(error: unknown, model: string): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof NdjsonError) return modelUnavailable(`the model's answer: ${error.message}`, error);
  if (error instanceof OllamaRefusal) return modelUnavailable(refusalDetail(error, model), error);
  return modelUnavailable(
    `expected an answer from the model, the connection failed: ${codeOf(error)}`,
    error,
  );
}

function refusalDetail({ status, reason }: OllamaRefusal, model: string): string {
  if (status === 404) return `expected the model ${quote(model)}, Ollama answered 404 ${quote(reason)}`;
  const came = `expected status 200 from the model, ${status} came: ${quote(reason)}`;
  // The conversation is sent only to the configured server.
  return status >= 300 && status < 400 ? `${came}; redirects are not followed` : came;
}

export function codeOf(error: unknown): string {
  return isObject(error) && typeof error.code === 'string' ? error.code : 'unknown reason';
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_DOCUMENT_BYTES) {
      throw modelUnavailable(`expected at most ${MAX_DOCUMENT_BYTES} bytes from the model server, more came`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorIn(text: string): string | undefined {
  const document = parseJson(text);
  return isObject(document) && typeof document.error === 'string' ? document.error : undefined;
}

/** `undefined` for a text that is not JSON, for example a proxy's error page. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
