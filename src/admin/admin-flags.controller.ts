import { Body, Controller, Get, Param, Put, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import type { Flag } from '../../protocol/resources.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import type { UserContext } from '../identity/user-context.js';
import { FlagChangeService } from '../rollout/flag-change.service.js';
import { AdminGuard } from './admin.guard.js';

const MAX_REASON_LENGTH = 500;

const flagChangeSchema = z
  .object({
    enabled: z.boolean(),
    percent: z.int().min(0).max(100).optional(),
    reason: z.string().trim().min(1).max(MAX_REASON_LENGTH).optional(),
  })
  .meta({ id: 'FlagChange' });

@Controller('admin/flags')
@UseGuards(AdminGuard)
export class AdminFlagsController {
  constructor(private readonly flags: FlagChangeService) {}

  @Get()
  list(): { flags: Flag[] } {
    return { flags: this.flags.list() };
  }

  @Put(':name')
  change(
    @CurrentUser() admin: UserContext,
    @Param('name') name: string,
    @Body({ schema: flagChangeSchema }) body: z.infer<typeof flagChangeSchema>,
  ): Promise<Flag> {
    return this.flags.change(name, body, admin.userId);
  }
}
