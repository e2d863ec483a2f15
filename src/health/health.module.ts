import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { WebSocketModule } from '../websocket/websocket.module.js';
import { DependencyProbeService } from './dependency-probe.service.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';

@Module({
  imports: [TerminusModule.forRoot({ logger: false }), WebSocketModule],
  controllers: [HealthController, MetricsController],
  providers: [DependencyProbeService],
})
export class HealthModule {}
