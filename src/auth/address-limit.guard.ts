import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { IS_UNLIMITED } from '../identity/public.decorator.js';
import { RouteMark } from '../identity/route-mark.js';
import { rateLimitHeaders, RateLimiter } from '../redis/rate-limiter.js';

/** Counts requests per address, before anything expensive is done for them. */
@Injectable()
export class AddressLimitGuard implements CanActivate {
  private readonly isUnlimited: RouteMark;

  constructor(
    private readonly rateLimiter: RateLimiter,
    reflector: Reflector,
  ) {
    this.isUnlimited = new RouteMark(reflector, IS_UNLIMITED);
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (context.getType() !== 'http' || this.isUnlimited.isOn(context)) return true;
    return this.count(context);
  }

  private async count(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const state = await this.rateLimiter.take('requests', http.getRequest<FastifyRequest>().ip);
    void http.getResponse<FastifyReply>().headers(rateLimitHeaders(state));
    return true;
  }
}
