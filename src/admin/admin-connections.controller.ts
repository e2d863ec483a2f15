import { Controller, Delete, Get, HttpCode, Param, Query, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import { AppError } from '../errors/app-error.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import type { UserContext } from '../identity/user-context.js';
import { AuditLogService } from '../audit/audit-log.service.js';
import { ConnectionDirectoryService } from '../websocket/connections/connection-directory.service.js';
import type { ConnectionPage } from '../websocket/connections/connection-entry.js';
import { AdminGuard } from './admin.guard.js';

const CONNECTION_ID = /^con_[\w-]{1,64}$/;

const querySchema = z.object({
  cursor: z.string().regex(CONNECTION_ID, 'must be the "next_cursor" of the page before').optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(200))
    .default(50),
});

/** The open connections of the whole cluster. */
@Controller('admin/connections')
@UseGuards(AdminGuard)
export class AdminConnectionsController {
  constructor(
    private readonly directory: ConnectionDirectoryService,
    private readonly audit: AuditLogService,
  ) {}

  @Get()
  list(@Query({ schema: querySchema }) query: z.infer<typeof querySchema>): Promise<ConnectionPage> {
    return this.directory.list(query.cursor, query.limit);
  }

  @Delete(':id')
  @HttpCode(204)
  async end(@CurrentUser() actor: UserContext, @Param('id') id: string): Promise<void> {
    const ended = CONNECTION_ID.test(id) ? await this.directory.end(id) : undefined;
    if (ended === undefined) throw new AppError('not_found', { detail: 'There is no such connection' });
    this.audit.record('admin.connection_ended', ended.user_id, { connection_id: id, by: actor.userId });
  }
}
