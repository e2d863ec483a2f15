import type { ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';

/**
 * Whether a route has a mark, on its method or its class. Cached per handler: marks do not change, and looking them up
 * by reflection costs more than the rest of a guard.
 */
export class RouteMark {
  private readonly byHandler = new Map<unknown, boolean>();

  constructor(
    private readonly reflector: Reflector,
    private readonly key: string,
  ) {}

  isOn(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    let isMarked = this.byHandler.get(handler);
    if (isMarked === undefined) {
      isMarked =
        this.reflector.getAllAndOverride<boolean | undefined>(this.key, [handler, context.getClass()]) ??
        false;
      this.byHandler.set(handler, isMarked);
    }
    return isMarked;
  }
}
