import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../errors/app-error.js';
import { AuditLogService } from '../audit/audit-log.service.js';

/**
 * Protects each admin controller and runs after the HTTP guard. The role is that of the live session, not of the token,
 * so a change by another administrator counts at once.
 */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(private readonly audit: AuditLogService) {}

  canActivate(context: ExecutionContext): boolean {
    const { userContext, routeOptions } = context.switchToHttp().getRequest<FastifyRequest>();
    if (userContext?.role === 'admin') return true;
    this.audit.warn('admin.refused', userContext?.userId, { route: routeOptions.url });
    throw new AppError('forbidden', { detail: 'only an administrator may do this' });
  }
}
