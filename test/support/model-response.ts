import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

/** What a faulty model server does, whatever its protocol. */
export type Fault =
  /** Closes the connection before any header. */
  | { kind: 'refuse' }
  | { kind: 'hang-before-headers' }
  /** After these tokens the connection stays open and nothing more is sent. */
  | { kind: 'hang-between-tokens'; tokens: readonly string[] }
  /** After these tokens the connection is reset. */
  | { kind: 'cut'; tokens: readonly string[] }
  /** After these tokens the response ends cleanly, but without what marks the end of an answer. */
  | { kind: 'end-without-done'; tokens: readonly string[] }
  | { kind: 'error-mid-stream'; tokens: readonly string[]; error: string }
  | { kind: 'junk'; tokens: readonly string[]; junk: string }
  /** A status other than 200, with the protocol's error document. */
  | { kind: 'status'; status: number; error: string; headers?: Record<string, string> }
  /** A proxy's page for people. */
  | { kind: 'page'; status: number; html: string }
  /** Exactly these bytes, each item in its own chunk. */
  | { kind: 'bytes'; chunks: readonly (string | Uint8Array)[]; contentType?: string; paceMs?: number };

/** Sends one response in the format of a protocol. */
export interface ChatResponse {
  readonly streamType: string;
  tokens(tokens: readonly string[]): Promise<void>;
  /** A piece of a stream that reports an error. */
  error(error: string): string;
  /** A piece of a stream that holds `junk` where the protocol has JSON. */
  junk(junk: string): string;
  errorDocument(status: number, error: string): Record<string, unknown>;
}

/** Answers one chat as `fault` says. */
export async function performFault(
  fault: Fault,
  chat: ChatResponse,
  response: ServerResponse,
): Promise<void> {
  switch (fault.kind) {
    case 'refuse':
      return breakOff(response);
    case 'hang-before-headers':
      return;
    case 'hang-between-tokens':
      return chat.tokens(fault.tokens);
    case 'cut':
      await chat.tokens(fault.tokens);
      return breakOff(response);
    case 'end-without-done':
      await chat.tokens(fault.tokens);
      response.end();
      return;
    case 'error-mid-stream':
      await chat.tokens(fault.tokens);
      response.end(chat.error(fault.error));
      return;
    case 'junk':
      await chat.tokens(fault.tokens);
      response.end(chat.junk(fault.junk));
      return;
    case 'status':
      return sendJson(response, fault.status, chat.errorDocument(fault.status, fault.error), fault.headers);
    case 'page':
      response.writeHead(fault.status, { 'content-type': 'text/html' });
      response.end(fault.html);
      return;
    case 'bytes':
      response.writeHead(200, { 'content-type': fault.contentType ?? chat.streamType });
      for (const chunk of fault.chunks) {
        await write(response, chunk);
        await sleep(fault.paceMs ?? 1);
        if (response.destroyed) return;
      }
      response.end();
      return;
    default: {
      const unreachable: never = fault;
      throw new Error(`unknown behaviour ${JSON.stringify(unreachable)}`);
    }
  }
}

/** Responses that were broken off on purpose. */
export const broken = new WeakSet<ServerResponse>();

export function breakOff(response: ServerResponse): void {
  broken.add(response);
  // Not a reset, which could overtake bytes that the client has not read yet.
  response.socket?.destroy();
}

/** Waits, but does not keep a finished test run from ending. */
export async function sleep(ms: number): Promise<void> {
  await wait(ms, undefined, { ref: false });
}

/** Resolves once the bytes are handed to the socket, so that a later reset does not overtake them. */
export async function write(response: ServerResponse, bytes: string | Uint8Array): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    response.once('close', resolve);
    response.write(bytes, () => {
      response.off('close', resolve);
      resolve();
    });
  });
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}
