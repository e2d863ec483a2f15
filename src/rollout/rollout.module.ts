import { Global, Module } from '@nestjs/common';
import { AuthUsageService } from './auth-usage.service.js';
import { AuthUsageStore } from './auth-usage.store.js';
import { FeatureFlagService } from './feature-flag.service.js';
import { FlagChangeService } from './flag-change.service.js';
import { FlagFollowerService } from './flag-follower.service.js';
import { FlagProvider } from './flag.provider.js';
import { FlagReportService } from './flag-report.service.js';
import { FlagStore } from './flag.store.js';

@Global()
@Module({
  // The report comes first, to receive what the follower finds at the start.
  providers: [
    FlagProvider,
    FlagStore,
    FlagReportService,
    FlagFollowerService,
    FlagChangeService,
    FeatureFlagService,
    AuthUsageStore,
    AuthUsageService,
  ],
  exports: [FeatureFlagService, FlagChangeService, AuthUsageService],
})
export class RolloutModule {}
