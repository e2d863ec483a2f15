import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { WebSocketModule } from '../websocket/websocket.module.js';
import { DependencyProbeService } from './dependency-probe.service.js';
import { HealthController } from './health.controller.js';

@Module({
  imports: [TerminusModule.forRoot({ logger: false }), WebSocketModule],
  controllers: [HealthController],
  providers: [DependencyProbeService],
})
export class HealthModule {}
