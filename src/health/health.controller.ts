import { Controller, Get, Res, ServiceUnavailableException } from '@nestjs/common';
import {
  type HealthCheckResult,
  HealthCheckService,
  type HealthIndicatorFunction,
  HealthIndicatorService,
} from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { toAppError } from '../errors/problem.js';
import { Public, Unlimited } from '../identity/public.decorator.js';
import { UpgradeGateService } from '../websocket/upgrade/upgrade-gate.service.js';
import { DependencyProbeService, type DependencyState } from './dependency-probe.service.js';
import { type FullReport, fullReport } from './full-report.js';
import { WarningService } from './warning.service.js';

/** Health checks for orchestrators and people. They are public, so they show only what is up and its latency. */
@Controller('health')
@Public()
@Unlimited()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly probe: DependencyProbeService,
    private readonly gate: UpgradeGateService,
    private readonly warnings: WarningService,
  ) {}

  @Get()
  summary(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.ready(reply);
  }

  /** Liveness. Checks no dependency: a restart would not bring Redis back. */
  @Get('live')
  live(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, []);
  }

  /** Readiness: whether the node can take requests. */
  @Get('ready')
  ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, [
      async () => this.indicate('redis', await this.probe.askRedis()),
      async () => this.indicate('postgres', await this.probe.askPostgres()),
      () => this.draining(),
    ]);
  }

  /** Whether the node would consider an upgrade. */
  @Get('websocket')
  websocket(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, [() => this.upgrades()]);
  }

  /** The state of each dependency, and warnings. */
  @Get('full')
  async full(@Res({ passthrough: true }) reply: FastifyReply): Promise<FullReport> {
    const [redis, postgres, responder] = await Promise.all([
      this.probe.askRedis(),
      this.probe.askPostgres(),
      this.probe.askResponder(),
    ]);
    const report = fullReport({ redis, postgres }, { responder }, this.warnings.list());
    void reply.header('cache-control', 'no-store').status(report.status === 'error' ? 503 : 200);
    return report;
  }

  private async check(
    reply: FastifyReply,
    indicators: HealthIndicatorFunction[],
  ): Promise<HealthCheckResult> {
    void reply.header('cache-control', 'no-store');
    try {
      return await this.health.check(indicators);
    } catch (error) {
      if (!(error instanceof ServiceUnavailableException)) throw error;
      void reply.status(503);
      return error.getResponse() as HealthCheckResult;
    }
  }

  private indicate(name: 'redis' | 'postgres', state: DependencyState) {
    const indicator = this.indicators.check(name);
    return state.status === 'up'
      ? indicator.up({ latency_ms: state.latency_ms })
      : indicator.down(state.status === 'loading' ? 'loading' : 'no answer');
  }

  private draining() {
    const indicator = this.indicators.check('node');
    return this.gate.isDraining ? indicator.down('draining') : indicator.up();
  }

  private async upgrades() {
    const indicator = this.indicators.check('websocket');
    try {
      await this.gate.confirmOpen();
      return indicator.up();
    } catch (error) {
      return indicator.down(toAppError(error).code);
    }
  }
}
