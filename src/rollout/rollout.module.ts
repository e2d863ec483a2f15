import { Global, Module } from '@nestjs/common';
import { FeatureFlags } from './feature-flags.service.js';
import { FlagChangeService } from './flag-change.service.js';
import { FlagFollower } from './flag-follower.service.js';
import { FlagProvider } from './flag.provider.js';
import { FlagReport } from './flag-report.service.js';
import { FlagStore } from './flag.store.js';

@Global()
@Module({
  // The report first: it is to hear of what the follower finds at the start.
  providers: [FlagProvider, FlagStore, FlagReport, FlagFollower, FlagChangeService, FeatureFlags],
  exports: [FeatureFlags, FlagChangeService],
})
export class RolloutModule {}
