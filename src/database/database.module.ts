import { type DynamicModule, Module } from '@nestjs/common';
import type { EntityClass } from './data-source.js';
import { DatabaseService, ENTITY_CLASSES } from './database.service.js';

@Module({})
export class DatabaseModule {
  static with(entities: readonly EntityClass[]): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [{ provide: ENTITY_CLASSES, useValue: entities }, DatabaseService],
      exports: [DatabaseService],
    };
  }
}
