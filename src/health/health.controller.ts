import { Controller, Get, Res, ServiceUnavailableException } from '@nestjs/common';
import {
  type HealthCheckResult,
  HealthCheckService,
  type HealthIndicatorFunction,
  HealthIndicatorService,
} from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { Responder } from '../responder/contract/responder.js';
import { Public, Unlimited } from '../identity/public.decorator.js';
import { ConnectionRegistry } from '../websocket/connections/connection.registry.js';
import { UpgradeGateService } from '../websocket/upgrade/upgrade-gate.service.js';
import { DependencyProbeService } from './dependency-probe.service.js';

/** What orchestrators and people ask. Says what is up, how fast it answers and what its breaker does, no more. */
@Controller('health')
@Public()
@Unlimited()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly probe: DependencyProbeService,
    private readonly responder: Responder,
    private readonly registry: ConnectionRegistry,
    private readonly gate: UpgradeGateService,
  ) {}

  @Get()
  summary(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.ready(reply);
  }

  /** The process answers. Asks no dependency: a restart would not bring Redis back. */
  @Get('live')
  live(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, []);
  }

  /** The node may be sent requests. */
  @Get('ready')
  ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, [() => this.redis(), () => this.postgres(), () => this.draining()]);
  }

  @Get('websocket')
  websocket(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, [() => this.redis(), () => this.draining(), () => this.sockets()]);
  }

  @Get('full')
  full(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    return this.check(reply, [
      () => this.redis(),
      () => this.postgres(),
      () => this.draining(),
      () => this.sockets(),
      () => this.answering(),
    ]);
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

  private redis() {
    return this.timed('redis', () => this.probe.pingRedis());
  }

  private postgres() {
    return this.timed('postgres', () => this.probe.pingPostgres());
  }

  private draining() {
    const indicator = this.indicators.check('node');
    return this.gate.isDraining ? indicator.down('draining') : indicator.up();
  }

  private sockets() {
    return this.indicators.check('websocket').up({ connections: this.registry.size });
  }

  /** A responder that is away stops answers, not the node: it is told, and the node stays up. */
  private async answering() {
    const indicator = this.indicators.check('responder');
    const { id, label } = this.responder;
    const isUp = await this.responder.check().then(
      () => true,
      () => false,
    );
    return indicator.up({ id, label, available: isUp });
  }

  private async timed(name: 'redis' | 'postgres', ping: () => Promise<number>) {
    const indicator = this.indicators.check(name);
    try {
      const latency_ms = Math.round((await ping()) * 100) / 100;
      return indicator.up({ latency_ms });
    } catch {
      // The breaker has counted and logged it.
      return indicator.down({ message: 'no answer' });
    }
  }
}
