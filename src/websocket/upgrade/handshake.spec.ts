import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { ERRORS, UPGRADE_PUBLIC_CODES } from '../../../protocol/errors.js';
import type { ErrorCode } from '../../../protocol/errors.js';
import { AppError } from '../../errors/app-error.js';
import { parseHandshake, pathOf, refuseUpgrade, toPublicRefusal } from './handshake.js';

const ID = '11111111-1111-4111-8111-111111111111';
const headers = {
  host: 'localhost',
  upgrade: 'WebSocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};
const parse = (url: string, change: object = {}) =>
  parseHandshake({ url, method: 'GET', headers, ...change } as unknown as IncomingMessage);
const statusOf = (url: string, change: object = {}) => {
  try {
    parse(url, change);
  } catch (error) {
    return (error as AppError).status;
  }
  return 101;
};

describe('parseHandshake', () => {
  it('returns the conversation id and the query', () => {
    expect(parse('/ws').conversationId).toBeUndefined();
    const { conversationId, query } = parse(
      `/api/v1/chat/ws/conversations/${ID.toUpperCase()}?ticket=a&x=b%20c`,
    );
    expect(conversationId).toBe(ID);
    expect([query.get('ticket'), query.get('x')]).toEqual(['a', 'b c']);
  });

  it('checks path and syntax, in this order', () => {
    const old = { headers: { ...headers, 'sec-websocket-version': '8' } };
    expect(statusOf('/wsx', old)).toBe(404);
    expect(statusOf('/ws', { method: 'POST' })).toBe(400);
    expect(statusOf('/ws', old)).toBe(400);
    expect(statusOf('/ws', { headers: { ...headers, 'sec-websocket-key': 'short' } })).toBe(400);
    expect(statusOf('/ws')).toBe(101);
    expect(statusOf('/ws', { url: undefined })).toBe(404);
  });

  it('refuses a client id that no ticket could carry', () => {
    expect(statusOf(`/ws?client_id=${'a'.repeat(64)}`)).toBe(101);
    for (const id of ['', 'a|b', 'a%7Cb%7Cc', 'a b', 'a'.repeat(65)])
      expect(statusOf(`/ws?client_id=${id}`)).toBe(400);
  });

  it('treats an invalid id as a missing conversation', () => {
    expect(parse('/ws/conversations/1').conversationId).toBe('00000000-0000-0000-0000-000000000000');
  });
});

describe('toPublicRefusal', () => {
  it('reveals only the public codes and faults of the request itself', () => {
    const requestFaults: ErrorCode[] = ['protocol_unsupported', 'multiple_credentials', 'not_found'];
    const credentials: ErrorCode[] = (Object.keys(ERRORS) as ErrorCode[]).filter((code) =>
      /^(ticket|session|user|token|auth|conversation|connection|forbidden)/.test(code),
    );
    for (const code of credentials) expect(toPublicRefusal(new AppError(code)).code).toBe('ticket_rejected');
    for (const code of [...UPGRADE_PUBLIC_CODES, ...requestFaults])
      expect(toPublicRefusal(new AppError(code)).code).toBe(code);
  });

  it('turns an internal error into dependency_unavailable with a retry time', () => {
    const refusal = toPublicRefusal(new AppError('internal', { detail: 'a secret', traceId: 't' }));
    expect(refusal).toMatchObject({ code: 'dependency_unavailable', status: 503, traceId: 't' });
    expect(refusal.retryAfterMs).toBeGreaterThan(0);
    expect(refusal.detail).not.toContain('secret');
  });
});

describe('refuseUpgrade', () => {
  it('writes a whole HTTP response', () => {
    const socket = new PassThrough();
    const error = new AppError('dependency_unavailable', { detail: 'redis — away', retryAfterMs: 1500 });
    refuseUpgrade(socket, '/ws', error);
    const text = (socket.read() as Buffer).toString();
    const [head = '', body = ''] = text.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`);
    expect(head).toContain('retry-after: 2');
    expect(head).toContain('connection: close');
    expect(JSON.parse(body)).toMatchObject({
      code: 'dependency_unavailable',
      instance: '/ws',
      retry_after_ms: 1500,
    });
    expect(socket.writableEnded).toBe(true);
  });

  it('writes a reason phrase for an unknown status', () => {
    const socket = new PassThrough();
    refuseUpgrade(socket, '/ws', new AppError('internal', { status: 599 }));
    expect((socket.read() as Buffer).toString()).toMatch(/^HTTP\/1\.1 599 Error\r\n/);
  });

  it('writes nothing to a client that has disconnected', () => {
    const socket = new PassThrough();
    socket.destroy();
    refuseUpgrade(socket, '/ws', new AppError('ticket_rejected'));
    expect(socket.read()).toBeNull();
  });
});

describe('pathOf', () => {
  it('leaves the query out', () => {
    expect(pathOf('/ws?ticket=a?b')).toBe('/ws');
    expect(pathOf('/ws')).toBe('/ws');
    expect(pathOf(undefined)).toBe('/');
  });
});
