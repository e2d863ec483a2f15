import { Injectable } from '@nestjs/common';
import type { Flag } from '../../protocol/resources.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors/app-error.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { FlagFollowerService } from './flag-follower.service.js';
import { FlagProvider } from './flag.provider.js';
import { FlagStore } from './flag.store.js';
import { FLAG_NAMES, FLAGS, type FlagName, type FlagValue, isFlagName } from '../config/flags.js';

export interface FlagChange {
  enabled: boolean;
  /** 100 by default. */
  percent?: number | undefined;
  /** Why, for the audit log. */
  reason?: string | undefined;
}

/** Lists and changes flags for administrators. */
@Injectable()
export class FlagChangeService {
  constructor(
    private readonly config: Config,
    private readonly store: FlagStore,
    private readonly provider: FlagProvider,
    private readonly follower: FlagFollowerService,
    private readonly audit: AuditLogService,
  ) {}

  list(): Flag[] {
    return FLAG_NAMES.map((name) => this.flag(name));
  }

  /**
   * Sets a flag on every node, until it is set again: on this node when the promise resolves, on the others within 1 s.
   * @throws {AppError} `not_found`; `validation_failed` for a share of a flag of kind `switch`; `dependency_unavailable`.
   */
  async change(name: string, { enabled, percent = 100, reason }: FlagChange, adminId: string): Promise<Flag> {
    if (!isFlagName(name)) throw new AppError('not_found', { detail: 'There is no flag of this name' });
    if (FLAGS[name].kind === 'switch' && percent !== 100) {
      throw new AppError('validation_failed', { detail: `"percent": ${name} is on or off for all users` });
    }
    const updated_at = new Date().toISOString();
    const told = { flag: name, new: { enabled, percent }, ...(reason === undefined ? {} : { reason }) };
    try {
      const old = await this.store.write(name, { enabled, percent, updated_at, updated_by: adminId });
      this.audit.record('flag.changed', adminId, { ...told, old: valueOf(old ?? this.config.flags[name]) });
    } catch (error) {
      // Redis may have applied it before its reply was lost, so a possible change has a row, too.
      this.audit.warn('flag.change_failed', adminId, told);
      throw error;
    }
    await this.follower.reload();
    return this.flag(name);
  }

  private flag(name: FlagName): Flag {
    const { enabled, percent, source, updatedAt, updatedBy } = this.provider.stateOf(name);
    const { description, removeAfter } = FLAGS[name];
    return {
      name,
      enabled,
      percent,
      default: valueOf(this.config.flags[name]),
      source,
      description,
      remove_after: removeAfter,
      ...(updatedAt === undefined ? {} : { updated_at: updatedAt }),
      ...(updatedBy === undefined ? {} : { updated_by: updatedBy }),
    };
  }
}

function valueOf({ enabled, percent }: FlagValue): { enabled: boolean; percent: number } {
  return { enabled, percent };
}
