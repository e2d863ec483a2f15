import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import { type AuditEntry, AuditReaderService } from '../audit/audit-reader.service.js';
import { AdminGuard } from './admin.guard.js';

const MAX_LIMIT = 200;

const querySchema = z.object({
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, 'must be the "next_cursor" of the page before')
    .transform(Number)
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_LIMIT))
    .default(50),
  event: z
    .string()
    .regex(/^[a-z_.]{1,64}$/, 'must be the name of an event, such as ticket.issued')
    .optional(),
  user_id: z.guid().optional(),
  after: z.iso.datetime().optional(),
  before: z.iso.datetime().optional(),
});

/** The audit log of the whole cluster. Only `npm run audit:verify` can tell whether it is complete and unchanged. */
@Controller('admin/audit')
@UseGuards(AdminGuard)
export class AdminAuditController {
  constructor(private readonly reader: AuditReaderService) {}

  @Get()
  async list(
    @Query({ schema: querySchema }) query: z.infer<typeof querySchema>,
  ): Promise<{ entries: AuditEntry[]; next_cursor?: string }> {
    const { cursor, limit, event, user_id: userId, after, before } = query;
    const found = await this.reader.list({
      beforeId: cursor,
      event,
      userId,
      after: toDate(after),
      before: toDate(before),
      limit: limit + 1,
    });
    const entries = found.slice(0, limit);
    const last = entries.at(-1);
    if (last === undefined || found.length <= limit) return { entries };
    return { entries, next_cursor: String(last.id) };
  }
}

function toDate(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
