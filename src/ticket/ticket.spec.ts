import { describe, expect, it } from '@jest/globals';
import { digestOf, digestOfId, hasTicketForm, newTicket } from './ticket.js';

describe('a ticket', () => {
  it('is 32 bytes in base64url, never twice the same', () => {
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
  ])('does not look like %j', (value) => expect(hasTicketForm(value)).toBe(false));

  it('stands in the store under its SHA-256, from which its id leads to the same place and not to it', () => {
    const digest = digestOf('abc');
    expect(digest.hex).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(digest.id).toMatch(/^tkt_[\w-]{43}$/);
    expect(digestOfId(digest.id)).toEqual(digest);
    expect(digestOf(digest.id.slice(4))).not.toEqual(digest);
  });

  it.each(['', 'tkt_', 'tkt_abc', `tkt_${'a'.repeat(44)}`, `TKT_${'a'.repeat(43)}`, `tkt_${'*'.repeat(43)}`])(
    'has no id like %j',
    (id) => expect(digestOfId(id)).toBeUndefined(),
  );
});
