import { ModulesContainer, Reflector } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { IS_PUBLIC, IS_UNLIMITED } from '../identity/public.decorator.js';

/** What the guards of a route read. */
export interface RouteMarks {
  isPublic: boolean;
  isLimited: boolean;
}

/** Name of a controller's method in the document: `authLogin`. */
export function operationId(controller: string, method: string): string {
  const noun = controller.replace(/Controller$/, '');
  return noun.charAt(0).toLowerCase() + noun.slice(1) + method.charAt(0).toUpperCase() + method.slice(1);
}

/** The marks of every method of every controller, by operation id, so that the document agrees with the guards. */
export function marksOf(app: NestFastifyApplication): Map<string, RouteMarks> {
  const reflector = app.get(Reflector);
  const marks = new Map<string, RouteMarks>();
  for (const module of app.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      for (const [name, method] of methodsOf(metatype.prototype as object)) {
        const has = (mark: string) => reflector.getAllAndOverride<boolean>(mark, [method, metatype]) ?? false;
        marks.set(operationId(metatype.name, name), {
          isPublic: has(IS_PUBLIC),
          isLimited: !has(IS_UNLIMITED),
        });
      }
    }
  }
  return marks;
}

type Method = () => unknown;

function methodsOf(prototype: object): [string, Method][] {
  const members = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  return members.flatMap(([name, { value }]): [string, Method][] =>
    typeof value === 'function' ? [[name, value as Method]] : [],
  );
}
