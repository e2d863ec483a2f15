import { z } from 'zod';
import type { PathUsage } from '../auth/auth-path.service.js';
import type { LegacyUsage } from '../rollout/auth-usage.service.js';
import type { AuditEntry } from '../audit/audit-reader.service.js';
import { numberParameter, type Operations, UUID_PARAMETER } from './operation.js';
import { count, id, time } from './resource-schemas.js';
import { component } from './schema-registry.js';

const since = time.nullable().describe('When the first use was counted; null when there was none');

const auditPage = component<{ entries: AuditEntry[]; next_cursor?: string }>()(
  'AuditPage',
  'Rows of the audit log, newest first.',
  z.object({
    entries: z.array(
      z.object({
        id: z.int().min(1).describe('Place in the chain, without gaps'),
        at: time,
        event: z.string(),
        user_id: id.nullable(),
        node: z.string().describe('The node that wrote it'),
        fields: z.record(z.string(), z.unknown()),
        hash: z.string().describe('SHA-256 of this row and the hash of the previous row'),
      }),
    ),
    next_cursor: z.string().optional(),
  }),
);

const authPaths = component<{ since: string | null; paths: PathUsage[] }>()(
  'AuthPaths',
  'Every path by which a credential can reach the server.',
  z.object({
    since,
    paths: z.array(
      z.object({
        path: z.string() as unknown as z.ZodType<PathUsage['path']>,
        flag: z.string().nullable().describe('The flag that switches it; null when it is always on'),
        accepted: count,
        refused: count,
        last_used_at: time.nullable(),
      }),
    ),
  }),
);

const legacyUsage = component<{ since: string | null; usage: LegacyUsage[] }>()(
  'LegacyUsage',
  'Sign-ins by an old method.',
  z.object({
    since,
    usage: z.array(z.object({ method: z.string(), client: z.string(), count, last_used_at: time })),
  }),
);

export const AUDIT_OPERATIONS: Operations = {
  'GET /admin/audit': {
    tag: 'Administration',
    summary: 'Read the audit log',
    parameters: {
      cursor: { type: 'string', description: '`next_cursor` of the previous page' },
      limit: numberParameter(1, 200, 50),
      event: { type: 'string', description: 'Only rows of this event, such as `ticket.issued`' },
      user_id: UUID_PARAMETER,
      after: { type: 'string', format: 'date-time' },
      before: { type: 'string', format: 'date-time' },
    },
    answers: { 200: { description: 'A page', schema: auditPage } },
    failures: ['forbidden'],
  },
  'GET /admin/auth/paths': {
    tag: 'Administration',
    summary: 'See how credentials come in',
    description: 'Of all nodes together; a node that starts again begins where it was.',
    answers: { 200: { description: 'Every path, used or not', schema: authPaths } },
    failures: ['forbidden'],
  },
  'GET /admin/auth/legacy-usage': {
    tag: 'Administration',
    summary: 'See who still signs in by an old method',
    description: 'Of all nodes together; a node that starts again begins where it was.',
    answers: { 200: { description: 'By method and kind of client', schema: legacyUsage } },
    failures: ['forbidden'],
  },
};
