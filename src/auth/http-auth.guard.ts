import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { IS_PUBLIC } from '../identity/public.decorator.js';
import { RouteMark } from '../identity/route-mark.js';
import { AddressLimitService } from './address-limit.service.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';

/** Runs before every HTTP route: counts the request, and requires an access token unless it is marked `@Public()`. */
@Injectable()
export class HttpAuthGuard implements CanActivate {
  private readonly isPublic: RouteMark;

  constructor(
    private readonly authentication: UnifiedAuthenticationService,
    private readonly limit: AddressLimitService,
    reflector: Reflector,
  ) {
    this.isPublic = new RouteMark(reflector, IS_PUBLIC);
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    // Nest runs global guards for socket frames too; those have their own guard.
    return context.getType() !== 'http' || this.admit(context);
  }

  private async admit(context: ExecutionContext): Promise<boolean> {
    const counted = this.limit.count(context);
    const isPublic = this.isPublic.isOn(context);
    if (isPublic || this.limit.isExhausted(context)) await counted;
    if (isPublic) return true;
    // Counted while the session is read: one round trip for both. Every response carries the state of the limit, and
    // exceeding the limit is reported before any other error.
    const authenticated = this.authenticate(context);
    await Promise.allSettled([counted, authenticated]);
    await counted;
    await authenticated;
    return true;
  }

  private async authenticate(context: ExecutionContext): Promise<void> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    request.userContext = await this.authentication.authenticateRequest(authorization, request.ip);
  }
}
