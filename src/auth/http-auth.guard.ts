import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { IS_PUBLIC } from '../identity/public.decorator.js';
import { RouteMark } from '../identity/route-mark.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';

/** Stands before every HTTP route that is not marked `@Public()`. */
@Injectable()
export class HttpAuthGuard implements CanActivate {
  private readonly isPublic: RouteMark;

  constructor(
    private readonly authentication: UnifiedAuthenticationService,
    reflector: Reflector,
  ) {
    this.isPublic = new RouteMark(reflector, IS_PUBLIC);
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    // Nest runs global guards for socket frames too; those have a guard of their own.
    if (context.getType() !== 'http' || this.isPublic.isOn(context)) return true;
    return this.authenticate(context);
  }

  private async authenticate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    request.userContext = await this.authentication.authenticateRequest(request.headers.authorization);
    return true;
  }
}
