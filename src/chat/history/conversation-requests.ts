import { z } from 'zod';
import { clientMessageIdFault, contentFault, isUuid, LIMITS } from '../../../protocol/messages.js';
import { isBlank, trimmed } from '../../../protocol/text.js';

/** Schemas of the HTTP requests about conversations. Unknown fields are dropped, never stored. */

const title = z
  .string()
  .overwrite(trimmed)
  .min(1)
  .max(LIMITS.maxTitleLength)
  .refine((value) => !isBlank(value), 'must have more than white space');

function text(fault: (value: unknown) => string | undefined, maxLength: number) {
  return z
    .string()
    .superRefine((value, context) => {
      const message = fault(value);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .meta({ minLength: 1, maxLength });
}

/** A number in a query, as digits: `Number` alone would also accept `""`, `" 1"` and `"0x1"`. */
function digits(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));
}

const seq = digits(0, Number.MAX_SAFE_INTEGER).optional();

export const newConversationSchema = z
  .object({ title: title.optional() })
  .nullish()
  .meta({ id: 'NewConversation' });

export const conversationChangeSchema = z.object({ title }).meta({ id: 'ConversationChange' });

export const conversationQuerySchema = z.object({
  cursor: z.string().max(200).optional(),
  limit: digits(1, 100).default(50),
});

export const messageQuerySchema = z.object({
  before_seq: seq,
  after_seq: seq,
  limit: digits(1, 200).default(50),
});

export const eventQuerySchema = z.object({
  after_seq: digits(0, Number.MAX_SAFE_INTEGER).default(0),
  limit: digits(1, 1000).default(200),
});

export const newMessageSchema = z
  .object({
    client_message_id: text(clientMessageIdFault, LIMITS.maxClientMessageIdLength),
    content: text(contentFault, LIMITS.maxContentLength),
    parent_id: z.string().refine(isUuid, 'must be a UUID').toLowerCase().optional(),
    on_busy: z.enum(['queue', 'reject', 'interrupt']).default('queue'),
  })
  .meta({ id: 'NewMessage' });
