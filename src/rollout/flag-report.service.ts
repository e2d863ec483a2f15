import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type Client, OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { background } from '../observability/background.js';
import { AppLogger } from '../observability/logger.js';
import { MetricsService } from '../observability/metrics.service.js';
import { FlagProvider } from './flag.provider.js';
import { FLAG_NAMES } from '../config/flags.js';

/** OpenFeature's domain for our provider: its API is global to the process. */
export const FLAG_DOMAIN = 'admit-one';

/** Registers our provider with OpenFeature, and logs and measures what this node applies by OpenFeature's events. */
@Injectable()
export class FlagReportService implements OnModuleInit, OnModuleDestroy {
  constructor(
    private readonly provider: FlagProvider,
    private readonly metrics: MetricsService,
    private readonly logger: AppLogger,
  ) {}

  async onModuleInit(): Promise<void> {
    await OpenFeature.setProviderAndWait(FLAG_DOMAIN, this.provider);
    const client = OpenFeature.getClient(FLAG_DOMAIN);
    client.addHandler(ProviderEvents.ConfigurationChanged, (change) =>
      background(this.tellOf(client, change?.flagsChanged ?? []), this.logger, 'flag.report_failed'),
    );
    client.addHandler(ProviderEvents.Stale, (change) =>
      this.logger.warn('flag.stale', { error: change?.message }),
    );
    for (const name of FLAG_NAMES) await this.measure(client, name);
  }

  async onModuleDestroy(): Promise<void> {
    await OpenFeature.clearProviders();
  }

  private async tellOf(client: Client, names: readonly string[]): Promise<void> {
    for (const name of names)
      this.logger.info('flag.applied', { flag: name, ...(await this.measure(client, name)) });
  }

  private async measure(client: Client, name: string) {
    const { flagMetadata } = await client.getBooleanDetails(name, false);
    this.metrics.flagEnabled.labels(name).set(Number(flagMetadata.percent) > 0 ? 1 : 0);
    return flagMetadata;
  }
}
