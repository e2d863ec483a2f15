import { type DynamicModule, Module } from '@nestjs/common';
import { AdminModule } from './admin/admin.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { LegacyModule } from './auth/legacy/legacy.module.js';
import { ChatModule } from './chat/chat.module.js';
import { ConfigModule } from './config/config.module.js';
import type { Config } from './config/config.js';
import { DatabaseModule } from './database/database.module.js';
import { ENTITIES } from './entities.js';
import { HealthModule } from './health/health.module.js';
import type { AppLogger } from './observability/logger.js';
import { ObservabilityModule } from './observability/observability.module.js';
import { RedisModule } from './redis/redis.module.js';
import { RolloutModule } from './rollout/rollout.module.js';
import { WebSocketModule } from './websocket/websocket.module.js';

@Module({})
export class AppModule {
  static with(config: Config, logger: AppLogger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(config),
        ObservabilityModule.with(logger),
        RedisModule,
        DatabaseModule.with(ENTITIES),
        AuditModule,
        RolloutModule,
        AuthModule,
        WebSocketModule,
        ChatModule,
        LegacyModule,
        AdminModule,
        HealthModule,
      ],
    };
  }
}
