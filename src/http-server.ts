import { type IncomingMessage, type Server, type ServerOptions, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { StandardSchemaValidationPipe } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from './config/config.js';
import { AppError } from './errors/app-error.js';
import { HttpErrorFilter } from './errors/http-error.filter.js';
import { LateRequests } from './late-requests.js';
import { problemHeaders, toProblem } from './errors/problem.js';
import { readBodies } from './json-body.js';
import type { AppLogger } from './observability/logger.js';
import { RefusalLogService } from './observability/refusal-log.service.js';
import { headFault } from './request-head.js';
import { offersWebSocket } from './websocket/upgrade/declined-upgrades.js';
import { resolveAlias } from './websocket/upgrade/path-alias.js';

/** A message of 32,000 characters, all of them escaped, with room to spare. */
const BODY_LIMIT_BYTES = 256 * 1024;
/** Longer than the idle limit of common load balancers (60 s), so that they close an idle connection before we do. */
const KEEP_ALIVE_MS = 75_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** Headers of every HTTP response: no framing, no MIME sniffing, no referrer. */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
};
const HSTS = { 'strict-transport-security': 'max-age=31536000; includeSubDomains' };

export function createHttpAdapter(config: Config, logger: AppLogger): FastifyAdapter {
  // Nest has not started, so none can be injected. This one logs requests that never reach a route.
  const refusals = new RefusalLogService(logger);
  const errors = new HttpErrorFilter(refusals);
  const late = new LateRequests();
  const adapter = new FastifyAdapter({
    // `headFault` looks for Host. Node that does not know the other option leaves its question to `DeclinedUpgrades`.
    http: { requireHostHeader: false, shouldUpgradeCallback: offersWebSocket } as ServerOptions,
    bodyLimit: BODY_LIMIT_BYTES,
    trustProxy: toFastifyTrust(config.trustProxy),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    rewriteUrl: (request: IncomingMessage) => resolveAlias(request.url ?? '/'),
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      errors.answer(error, request, reply),
    clientErrorHandler: (error, socket) => {
      const refuse = () => refuseMalformedRequest(error, socket, errors);
      if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') late.judge(socket, refuse);
      else refuse();
    },
  });
  const fastify = adapter.getInstance();
  fastify.server.on('request', (request: IncomingMessage) => late.note(request));
  fastify.server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    // Another offer is declined, and the connection has further requests.
    if (offersWebSocket(request)) late.noteUpgrade(socket);
  });
  readBodies(fastify);
  answerRareRequests(fastify.server, errors);
  const headers = config.publicUrl.startsWith('https:') ? { ...SECURITY_HEADERS, ...HSTS } : SECURITY_HEADERS;
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers);
    done(headFault(request.raw));
  });
  fastify.addHook('onClose', (_fastify, done) => {
    refusals.onModuleDestroy();
    done();
  });
  return adapter;
}

/** Configures HTTP in Nest: validation, errors, CORS. */
export function configureHttp(app: NestFastifyApplication, config: Config): void {
  app.useGlobalPipes(
    new StandardSchemaValidationPipe({
      exceptionFactory: (issues) => {
        const details = issues.slice(0, 5).map((issue) => `${pathText(issue.path)}${issue.message}`);
        return new AppError('validation_failed', { detail: details.join('; ') });
      },
    }),
  );
  app.useGlobalFilters(new HttpErrorFilter(app.get(RefusalLogService)));
  app.enableCors({
    origin: [...config.allowedOrigins],
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    allowedHeaders: ['authorization', 'content-type', 'x-client-name'],
    exposedHeaders: ['retry-after', 'ratelimit', 'ratelimit-policy', 'deprecation', 'sunset'],
    maxAge: 600,
    // Otherwise an OPTIONS that asks nothing of CORS is refused, and not with a problem.
    strictPreflight: false,
  });
}

/** Node would answer these two by itself: other expectations with an empty 417, CONNECT with a closed connection. */
function answerRareRequests(server: Server, errors: HttpErrorFilter): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('connect', (request, socket) => {
    socket.on('error', () => socket.destroy());
    const refusal = new AppError('not_found', { detail: 'This server is no proxy: there is no CONNECT' });
    answerRaw(refusal, socket, errors.logMalformed(refusal, request.socket.remoteAddress));
  });
}

/** Answers a request that Node's parser refused, and that never reaches Fastify, with a full problem response. */
function refuseMalformedRequest(
  error: Error & { code?: string },
  socket: Socket,
  errors: HttpErrorFilter,
): void {
  if (!socket.writable) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const refusal = new AppError('validation_failed', {
    detail: 'The request is not HTTP that can be read',
    status,
  });
  answerRaw(refusal, socket, errors.logMalformed(refusal, socket.remoteAddress));
}

function answerRaw(refusal: AppError, socket: Duplex, traceId: string): void {
  const body = JSON.stringify(toProblem(refusal, '/', traceId));
  let head = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n`;
  for (const [name, value] of Object.entries(problemHeaders(refusal))) head += `${name}: ${value}\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
}

function toFastifyTrust(trustProxy: Config['trustProxy']) {
  if (typeof trustProxy !== 'number') return trustProxy;
  return (_address: string, hop: number) => hop < trustProxy;
}

function pathText(path: readonly unknown[] | undefined): string {
  if (path === undefined || path.length === 0) return '';
  return `"${path.map((part) => String(typeof part === 'object' && part !== null && 'key' in part ? part.key : part)).join('.')}": `;
}
