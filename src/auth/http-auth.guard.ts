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

  /** Every response carries the state of the limit, and exceeding it is reported before any other error. */
  private admit(context: ExecutionContext): boolean | Promise<boolean> {
    this.limit.count(context);
    return this.isPublic.isOn(context) || this.authenticate(context);
  }

  private async authenticate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    request.userContext = await this.authentication.authenticateRequest(authorization, request.ip);
    return true;
  }
}
