import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from './user-context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the HTTP guard on every route that is not public. */
    userContext?: UserContext;
  }
}

/** The signed-in user of an HTTP request. */
export const CurrentUser = createParamDecorator((_data: unknown, context: ExecutionContext): UserContext => {
  const { userContext } = context.switchToHttp().getRequest<FastifyRequest>();
  if (userContext === undefined) throw new Error('@CurrentUser() stands on a route without the HTTP guard');
  return userContext;
});
