import { createHash, randomBytes } from 'node:crypto';

/** OWASP ASVS 5.0 11.5.1 asks for 128 bits of entropy at least; a ticket in a URL gets 256. */
const TICKET_BYTES = 32;
const TICKET_FORM = /^[\w-]{43}$/;
const TICKET_ID_BYTES = 15;
const TICKET_ID_FORM = /^tkt_[\w-]{20}$/;

export function newTicket(): string {
  return randomBytes(TICKET_BYTES).toString('base64url');
}

/** `tkt_…`: names a ticket, opens nothing. */
export function newTicketId(): string {
  return `tkt_${randomBytes(TICKET_ID_BYTES).toString('base64url')}`;
}

/** False for what cannot be a ticket of ours, which then never costs a look into Redis. */
export function hasTicketForm(value: string): boolean {
  return TICKET_FORM.test(value);
}

export function hasTicketIdForm(value: string): boolean {
  return TICKET_ID_FORM.test(value);
}

/** What is stored instead of the ticket: its SHA-256. A random ticket needs no salt. */
export function ticketDigest(ticket: string): string {
  return createHash('sha256').update(ticket).digest('hex');
}
