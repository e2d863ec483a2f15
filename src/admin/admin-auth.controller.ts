import { Controller, Get, UseGuards } from '@nestjs/common';
import { AuthPathService, type PathUsage } from '../auth/auth-path.service.js';
import { Config } from '../config/config.js';
import { MetricsService } from '../observability/metrics.service.js';
import { AdminGuard } from './admin.guard.js';

interface LegacyUsage {
  method: string;
  client: string;
  count: number;
}

/**
 * How credentials come in, as this node has seen it since its start. For the cluster, add up the nodes or ask the
 * monitoring: each number here is a metric as well.
 */
@Controller('admin/auth')
@UseGuards(AdminGuard)
export class AdminAuthController {
  constructor(
    private readonly authPaths: AuthPathService,
    private readonly metrics: MetricsService,
    private readonly config: Config,
  ) {}

  @Get('paths')
  paths(): { node: string; paths: PathUsage[] } {
    return { node: this.config.nodeName, paths: this.authPaths.list() };
  }

  @Get('legacy-usage')
  async legacyUsage(): Promise<{ node: string; usage: LegacyUsage[] }> {
    const { values } = await this.metrics.legacyAuth.get();
    const usage = values.map(({ labels, value }) => ({
      method: String(labels.method),
      client: String(labels.client),
      count: value,
    }));
    return { node: this.config.nodeName, usage };
  }
}
