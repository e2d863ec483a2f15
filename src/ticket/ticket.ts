import { hash } from 'node:crypto';
import { RandomStock } from '../identity/random-stock.js';

/** OWASP ASVS 5.0 11.5.1 requires at least 128 bits of entropy; a ticket in a URL gets 256. */
const TICKET_BYTES = 32;
const TICKET_FORM = /^[\w-]{43}$/;
const TICKET_ID_FORM = /^tkt_[\w-]{43}$/;

const RANDOM = new RandomStock(TICKET_BYTES);

export function newTicket(): string {
  return RANDOM.take();
}

/** False for text that cannot be one of our tickets; Redis is then not asked. */
export function hasTicketForm(value: string): boolean {
  return TICKET_FORM.test(value);
}

/** Stored instead of a ticket: its SHA-256, which opens nothing. A random ticket needs no salt. */
export interface TicketDigest {
  /** The Redis key of the claims is derived from it. */
  readonly hex: string;
  /** `tkt_…`: the same digest, as the ticket's name in receipts and logs. */
  readonly id: string;
}

export function digestOf(ticket: string): TicketDigest {
  return toDigest(hash('sha256', ticket, 'buffer'));
}

/** The digest of a ticket id, or `undefined` for text that is not a ticket id. */
export function digestOfId(ticketId: string): TicketDigest | undefined {
  return TICKET_ID_FORM.test(ticketId) ? toDigest(Buffer.from(ticketId.slice(4), 'base64url')) : undefined;
}

function toDigest(bytes: Buffer): TicketDigest {
  return { hex: bytes.toString('hex'), id: `tkt_${bytes.toString('base64url')}` };
}
