import { isUtf8 } from 'node:buffer';
import { UnsupportedMediaTypeException } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { textFault } from '../protocol/text.js';
import { AppError } from './errors/app-error.js';

/** RFC 8259 section 8.1: JSON between systems is UTF-8. ASCII is a part of it. */
const CHARSETS = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * Every HTTP body is read here: JSON in UTF-8, or nothing. Other types are refused, because another site can make a
 * browser send a form or a text without a CORS preflight. An empty body is none, whatever type stands beside it: many
 * clients send one all the same.
 */
export function readBodies(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const fault = encodingFault(request, body);
    if (fault !== undefined) return done(fault);
    return parse(request, body.toString(), (error, value) => done(error ?? valueFault(value), value));
  });
  fastify.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (request, body, done) => {
    // Nothing at an address is said before anything about the body.
    const isRefused = body.length > 0 && !request.is404;
    done(isRefused ? new UnsupportedMediaTypeException() : null, undefined);
  });
}

function encodingFault({ headers }: FastifyRequest, body: Buffer): AppError | undefined {
  const coding = headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity') {
    return new AppError('validation_failed', {
      status: 415,
      detail: 'expected a body without Content-Encoding',
      // RFC 9110 section 15.5.16: what would have been taken.
      headers: { 'accept-encoding': 'identity' },
    });
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  if (!CHARSETS.has(charset.toLowerCase())) {
    return new AppError('validation_failed', {
      status: 415,
      detail: 'expected JSON in UTF-8, got another charset',
    });
  }
  // Replacement characters would make one password of many.
  if (!isUtf8(body)) return new AppError('validation_failed', { detail: 'the body must be JSON in UTF-8' });
  return undefined;
}

function valueFault(value: unknown): AppError | null {
  const detail = textFault(value);
  return detail === undefined ? null : new AppError('validation_failed', { detail });
}
