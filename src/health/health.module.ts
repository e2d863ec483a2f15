import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { WebSocketModule } from '../websocket/websocket.module.js';
import { DependencyProbeService } from './dependency-probe.service.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { WarningService } from './warning.service.js';

@Module({
  imports: [TerminusModule.forRoot({ logger: false }), WebSocketModule],
  controllers: [HealthController, MetricsController],
  providers: [DependencyProbeService, WarningService],
})
export class HealthModule {}
