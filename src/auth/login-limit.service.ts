import { Injectable } from '@nestjs/common';
import { type LimitState, RateLimiterService } from '../redis/rate-limiter.service.js';
import { accountDigest, type Device, deviceDigest, KnownDevicesStore } from './known-devices.store.js';

/**
 * Limits password attempts. A device that has signed in to the account before has its own budget; all others share
 * the account's. So a flood of wrong passwords does not lock out users on known devices, and no device can guess
 * without limit.
 */
@Injectable()
export class LoginLimitService {
  constructor(
    private readonly rateLimiter: RateLimiterService,
    private readonly devices: KnownDevicesStore,
  ) {}

  /**
   * Counts an attempt, before anything is known about the password or the account.
   * @throws {AppError} `rate_limited`, also for an address with too many wrong passwords; `dependency_unavailable`.
   */
  async take(account: string, device: Device): Promise<LimitState> {
    if (await this.devices.has(account, device))
      return this.rateLimiter.take('logins', deviceDigest(account, device));
    // The address is checked first: password spraying must not use up the budgets of accounts as well.
    await this.rateLimiter.require('failed_logins', device.address);
    return this.rateLimiter.take('logins', accountDigest(account));
  }

  /** Counts a wrong password for its address, for any account. Right ones are free: an office may share an IP. */
  async countFailure(account: string, device: Device): Promise<void> {
    if (await this.devices.has(account, device)) return;
    await this.rateLimiter.count('failed_logins', device.address);
  }

  /** Counts the exchange of an old token. The token proves its account, so strangers cannot use up this budget. */
  async takeExchange(account: string): Promise<LimitState> {
    return this.rateLimiter.take('logins', deviceDigest(account, { address: '', userAgent: 'exchange' }));
  }

  async remember(account: string, device: Device): Promise<void> {
    await this.devices.remember(account, device);
  }

  /** After a password change: forgets every device except the one that changed it. */
  async rememberOnly(account: string, device: Device): Promise<void> {
    await this.devices.forgetAll(account);
    await this.devices.remember(account, device);
  }
}
