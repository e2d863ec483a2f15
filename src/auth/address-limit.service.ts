import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { IS_UNLIMITED } from '../identity/public.decorator.js';
import { RouteMark } from '../identity/route-mark.js';
import { rateLimitHeaders, RateLimiterService } from '../redis/rate-limiter.service.js';

/** Counts requests per address. */
@Injectable()
export class AddressLimitService {
  private readonly isUnlimited: RouteMark;

  constructor(
    private readonly rateLimiter: RateLimiterService,
    reflector: Reflector,
  ) {
    this.isUnlimited = new RouteMark(reflector, IS_UNLIMITED);
  }

  /** @throws {AppError} `rate_limited` */
  count(context: ExecutionContext): void {
    if (this.isUnlimited.isOn(context)) return;
    const http = context.switchToHttp();
    const state = this.rateLimiter.use('requests', http.getRequest<FastifyRequest>().ip);
    void http.getResponse<FastifyReply>().headers(rateLimitHeaders(state));
  }
}
