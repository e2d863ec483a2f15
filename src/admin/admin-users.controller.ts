import { Body, Controller, HttpCode, Param, Patch, Post, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import { isUuid } from '../../protocol/messages.js';
import type { User } from '../../protocol/resources.js';
import { AdminAccountService } from '../auth/admin-account.service.js';
import { RunCancelService } from '../chat/runs/run-cancel.service.js';
import { AppError } from '../errors/app-error.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import type { UserContext } from '../identity/user-context.js';
import { AdminGuard } from './admin.guard.js';

const changeSchema = z
  .object({ role: z.enum(['user', 'admin']).optional(), disabled: z.boolean().optional() })
  .refine(({ role, disabled }) => role !== undefined || disabled !== undefined, 'must hold role or disabled')
  .meta({ id: 'UserChange' });

/** Changes to accounts. Sessions end before runs, so that the user cannot ask again for a run that was stopped. */
@Controller('admin/users')
@UseGuards(AdminGuard)
export class AdminUsersController {
  constructor(
    private readonly accounts: AdminAccountService,
    private readonly runs: RunCancelService,
  ) {}

  @Post(':id/revoke')
  @HttpCode(204)
  async revoke(@CurrentUser() actor: UserContext, @Param('id') id: string): Promise<void> {
    const userId = requireUserId(id);
    await this.accounts.revoke(actor.userId, userId);
    await this.runs.cancelAllOf(userId);
  }

  @Patch(':id')
  async change(
    @CurrentUser() actor: UserContext,
    @Param('id') id: string,
    @Body({ schema: changeSchema }) change: z.infer<typeof changeSchema>,
  ): Promise<{ user: User }> {
    const userId = requireUserId(id);
    const user = await this.accounts.change(actor.userId, userId, change);
    if (change.disabled === true) await this.runs.cancelAllOf(userId);
    return { user };
  }
}

function requireUserId(id: string): string {
  if (!isUuid(id)) throw new AppError('not_found', { detail: 'There is no such user' });
  return id.toLowerCase();
}
