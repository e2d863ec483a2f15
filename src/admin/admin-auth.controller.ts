import { Controller, Get, UseGuards } from '@nestjs/common';
import { AuthPathService, type PathUsage } from '../auth/auth-path.service.js';
import { AuthUsageService, type LegacyUsage } from '../rollout/auth-usage.service.js';
import { AdminGuard } from './admin.guard.js';

/** How credentials come in, on all nodes together and since they were first counted. */
@Controller('admin/auth')
@UseGuards(AdminGuard)
export class AdminAuthController {
  constructor(
    private readonly authPaths: AuthPathService,
    private readonly usage: AuthUsageService,
  ) {}

  @Get('paths')
  paths(): Promise<{ since: string | null; paths: PathUsage[] }> {
    return this.authPaths.list();
  }

  @Get('legacy-usage')
  legacyUsage(): Promise<{ since: string | null; usage: LegacyUsage[] }> {
    return this.usage.legacy();
  }
}
