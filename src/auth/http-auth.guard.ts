import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { IS_PUBLIC } from '../identity/public.decorator.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';

/** Stands before every HTTP route that is not marked `@Public()`. */
@Injectable()
export class HttpAuthGuard implements CanActivate {
  constructor(
    private readonly authentication: UnifiedAuthenticationService,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Nest runs global guards for socket frames too; those have a guard of their own.
    if (context.getType() !== 'http') return true;
    if (this.reflector.getAllAndOverride<boolean>(IS_PUBLIC, [context.getHandler(), context.getClass()]))
      return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    request.userContext = await this.authentication.authenticateRequest(request.headers.authorization);
    return true;
  }
}
