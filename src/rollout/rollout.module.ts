import { Global, Module } from '@nestjs/common';
import { FeatureFlags } from './feature-flags.service.js';

@Global()
@Module({ providers: [FeatureFlags], exports: [FeatureFlags] })
export class RolloutModule {}
