import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import type { Config } from './config/config.js';
import { ConfigModule } from './config/config.module.js';
import { DatabaseModule } from './database/database.module.js';
import { ENTITIES } from './entities.js';
import type { AppLogger } from './observability/logger.js';
import { ObservabilityModule } from './observability/observability.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { RedisModule } from './redis/redis.module.js';

/** What a node is made of, without what makes it a node: no socket, no route, no run, no place among the nodes. */
@Module({})
export class AdminCommandModule {
  static with(config: Config, logger: AppLogger): DynamicModule {
    return {
      module: AdminCommandModule,
      imports: [
        ConfigModule.with(config),
        ObservabilityModule.with(logger),
        RedisModule,
        DatabaseModule.with(ENTITIES),
        AuditModule,
        OperationsModule,
      ],
    };
  }
}
