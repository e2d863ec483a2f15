import { z } from 'zod';
import type { Flag } from '../../protocol/resources.js';
import type { Operations } from './operation.js';
import { id, time } from './resource-schemas.js';
import { component } from './schema-registry.js';

const percent = z.int().min(0).max(100).describe('Share of the users for whom an enabled flag is on');

const flag = component<Flag>()(
  'Flag',
  'A part of the server that can be switched at run time, until it is removed.',
  z.object({
    name: z.string(),
    enabled: z.boolean(),
    percent,
    default: z
      .object({ enabled: z.boolean(), percent })
      .describe('Its value by the settings, used while no administrator has changed it'),
    source: z.enum(['default', 'runtime']),
    description: z.string(),
    remove_after: z.iso.date().describe('Day after which it is to be removed from the program'),
    updated_at: time.optional(),
    updated_by: id.describe('The administrator who changed it').optional(),
  }),
);

const flags = component<{ flags: Flag[] }>()('Flags', 'All flags.', z.object({ flags: z.array(flag) }));

export const FLAG_OPERATIONS: Operations = {
  'GET /admin/flags': {
    tag: 'Administration',
    summary: 'List the flags and what is switched on',
    answers: { 200: { description: 'The flags as this node applies them', schema: flags } },
    failures: ['forbidden'],
  },
  'PUT /admin/flags/{name}': {
    tag: 'Administration',
    summary: 'Switch a flag on every node',
    description: 'Every node follows within a second. Without `percent`, it is on for all users or for none.',
    answers: { 200: { description: 'The flag as it is now', schema: flag } },
    failures: ['forbidden', 'not_found'],
  },
};
