import { describe, expect, it } from '@jest/globals';
import { digestOf, digestOfId, hasTicketForm, newTicket } from './ticket.js';

describe('a ticket', () => {
  it('is 32 random bytes in base64url, different each time', () => {
    const tickets = Array.from({ length: 200 }, newTicket);
    expect(new Set(tickets).size).toBe(200);
    for (const ticket of tickets) {
      expect(Buffer.from(ticket, 'base64url')).toHaveLength(32);
      expect(hasTicketForm(ticket)).toBe(true);
    }
  });

  it.each([
    '',
    'a'.repeat(42),
    'a'.repeat(44),
    `${'a'.repeat(42)}=`,
    `${'a'.repeat(42)}+`,
    `${'a'.repeat(42)}\n`,
  ])('never has the form %j', (value) => expect(hasTicketForm(value)).toBe(false));

  it('is stored under its SHA-256, which its id also gives without revealing the ticket', () => {
    const digest = digestOf('abc');
    expect(digest.hex).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(digest.id).toMatch(/^tkt_[\w-]{43}$/);
    expect(digestOfId(digest.id)).toEqual(digest);
    expect(digestOf(digest.id.slice(4))).not.toEqual(digest);
  });

  it.each(['', 'tkt_', 'tkt_abc', `tkt_${'a'.repeat(44)}`, `TKT_${'a'.repeat(43)}`, `tkt_${'*'.repeat(43)}`])(
    'never has an id of the form %j',
    (id) => expect(digestOfId(id)).toBeUndefined(),
  );
});
