import { createHash, randomBytes } from 'node:crypto';

/** OWASP ASVS 5.0 11.5.1 asks for 128 bits of entropy at least; a ticket in a URL gets 256. */
const TICKET_BYTES = 32;
const TICKET_FORM = /^[\w-]{43}$/;
const TICKET_ID_FORM = /^tkt_[\w-]{43}$/;

export function newTicket(): string {
  return randomBytes(TICKET_BYTES).toString('base64url');
}

/** False for what cannot be a ticket of ours, which then never costs a look into Redis. */
export function hasTicketForm(value: string): boolean {
  return TICKET_FORM.test(value);
}

/** What stands for a ticket once it is made: its SHA-256, which opens nothing. A random ticket needs no salt. */
export interface TicketDigest {
  /** Under which Redis holds the claims. */
  readonly hex: string;
  /** `tkt_…`: the same digest, as the name by which receipts and logs speak of the ticket. */
  readonly id: string;
}

export function digestOf(ticket: string): TicketDigest {
  return toDigest(createHash('sha256').update(ticket).digest());
}

/** The digest that a ticket id names, or `undefined` for what is no ticket id. */
export function digestOfId(ticketId: string): TicketDigest | undefined {
  return TICKET_ID_FORM.test(ticketId) ? toDigest(Buffer.from(ticketId.slice(4), 'base64url')) : undefined;
}

function toDigest(bytes: Buffer): TicketDigest {
  return { hex: bytes.toString('hex'), id: `tkt_${bytes.toString('base64url')}` };
}
