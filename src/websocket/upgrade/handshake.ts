import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { CLIENT_ID_FORM, isUuid, LIMITS } from '../../../protocol/messages.js';
import { UPGRADE_PUBLIC_CODES, type ErrorCode } from '../../../protocol/errors.js';
import type { UpgradeRequest } from '../../auth/upgrade-credentials.js';
import { AppError } from '../../errors/app-error.js';
import { problemHeaders, toProblem } from '../../errors/problem.js';
import { newTraceId } from '../../observability/trace-id.js';
import { originForm, resolveAlias } from './path-alias.js';

/** RFC 6455 section 4.1: 16 random bytes in base64. */
const KEY_FORM = /^[+/0-9A-Za-z]{22}==$/;
/** A token of RFC 9110 section 5.6.2. */
const TOKEN_FORM = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const SUPPORTED_VERSION = '13';
const PUBLIC_CODES: readonly ErrorCode[] = UPGRADE_PUBLIC_CODES;
/** Statuses of refusals that concern the request itself and reveal nothing about a credential. */
const REQUEST_STATUSES = new Set([400, 404]);

/**
 * Reads an upgrade request that offers WebSocket.
 * @throws {AppError} 404 for an unknown path, 400 for a malformed handshake.
 */
export function parseHandshake(request: IncomingMessage): UpgradeRequest {
  const { path, query } = splitUrl(request.url ?? '/');
  const conversationId = conversationOf(path);
  const { headers } = request;
  if (request.method !== 'GET') throw malformed('the method must be GET');
  if (headers.host === undefined) throw malformed('Host must name the server');
  // What follows the head is read as frames.
  if (hasBody(headers)) throw malformed('a handshake has no body');
  if (!KEY_FORM.test(headers['sec-websocket-key'] ?? ''))
    throw malformed('Sec-WebSocket-Key must be 16 bytes in base64');
  if (headers['sec-websocket-version'] !== SUPPORTED_VERSION) {
    throw malformed(`Sec-WebSocket-Version must be ${SUPPORTED_VERSION}`);
  }
  if (!isSubprotocolList(headers['sec-websocket-protocol']))
    throw malformed('Sec-WebSocket-Protocol must be a list of different names');
  // A ticket cannot name another one. Old credentials name none, and these ids are parts of lists in Redis.
  if (!CLIENT_ID_FORM.test(query.get('client_id') ?? 'none'))
    throw malformed(`client_id must be 1 to ${LIMITS.maxClientIdLength} letters, digits or .:_-`);
  return { headers, query, conversationId };
}

export function upgradeRequired(): AppError {
  return new AppError('protocol_unsupported', {
    detail:
      'This address speaks WebSocket only: send GET, HTTP/1.1, with "Upgrade: websocket" and "Connection: Upgrade", which a proxy has to pass on',
    status: 426,
    headers: { upgrade: 'websocket', 'sec-websocket-version': SUPPORTED_VERSION },
  });
}

/** Returns the refusal for the client. Why a credential failed is only in the receipt, for its owner. */
export function toPublicRefusal(error: AppError): AppError {
  if (
    PUBLIC_CODES.includes(error.code) ||
    (REQUEST_STATUSES.has(error.status) && error.code !== 'conversation_not_found')
  ) {
    return error;
  }
  const { traceId } = error;
  if (error.code === 'internal') {
    return new AppError('dependency_unavailable', { detail: 'The server cannot decide now', traceId });
  }
  return new AppError('ticket_rejected', {
    detail: 'The ticket cannot be used; its receipt says why',
    traceId,
  });
}

/** Answers an upgrade with a complete HTTP response. */
export function refuseUpgrade(socket: Duplex, path: string, error: AppError): void {
  if (!socket.writable) return;
  const body = JSON.stringify(toProblem(error, path, error.traceId ?? newTraceId()));
  let head = `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? 'Error'}\r\n`;
  for (const [name, value] of Object.entries(problemHeaders(error))) head += `${name}: ${value}\r\n`;
  head += `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  socket.end(head + body);
}

/** Returns the path of a request without its query, which may contain a credential. */
export function pathOf(url: string | undefined): string {
  const path = originForm(url ?? '/');
  const end = path.indexOf('?');
  return end === -1 ? path : path.slice(0, end);
}

function splitUrl(target: string): { path: string; query: URLSearchParams } {
  const url = originForm(target);
  const path = pathOf(url);
  return { path: resolveAlias(path), query: new URLSearchParams(url.slice(path.length + 1)) };
}

function conversationOf(path: string): string | undefined {
  if (path === '/ws') return undefined;
  const match = /^\/ws\/conversations\/([^/]+)$/.exec(path);
  if (match === null) throw new AppError('not_found', { detail: 'There is no WebSocket at this address' });
  const id = match[1]!;
  // An invalid id is handled as a missing conversation, by the same check.
  return isUuid(id) ? id.toLowerCase() : '00000000-0000-0000-0000-000000000000';
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** RFC 6455 section 4.1. The library also refuses other lists, but only after the ticket has been used. */
function isSubprotocolList(header: string | undefined): boolean {
  if (header === undefined) return true;
  const names = header.split(',').map((name) => name.trim());
  return names.every((name) => TOKEN_FORM.test(name)) && new Set(names).size === names.length;
}

function malformed(detail: string): AppError {
  return new AppError('protocol_unsupported', {
    detail,
    headers: { 'sec-websocket-version': SUPPORTED_VERSION },
  });
}
