import { Injectable } from '@nestjs/common';
import { FlagProvider } from './flag.provider.js';
import type { FlagName } from '../config/flags.js';

/** Tells which flags are on. */
@Injectable()
export class FeatureFlagService {
  constructor(private readonly provider: FlagProvider) {}

  /**
   * Whether a flag is on, from memory.
   * @param userId decides when a flag is on for a share of the users; without it, such a flag is off below 100 percent.
   */
  isEnabled(name: FlagName, userId?: string): boolean {
    return this.provider.isOn(name, userId);
  }
}
