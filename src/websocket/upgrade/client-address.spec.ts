import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { TrustProxy } from '../../config/trust-proxy.js';
import { clientAddress } from './client-address.js';

const FORWARDED = '203.0.113.9, 198.51.100.7';

describe('clientAddress', () => {
  it.each<[TrustProxy, string]>([
    [false, '10.0.0.1'],
    [true, '203.0.113.9'],
    [1, '198.51.100.7'],
    [2, '203.0.113.9'],
    [['10.0.0.0/8'], '198.51.100.7'],
    [['192.168.0.0/16'], '10.0.0.1'],
  ])('returns, with TRUST_PROXY %j, %s', (trust, address) => {
    const request = { headers: { 'x-forwarded-for': FORWARDED }, socket: { remoteAddress: '10.0.0.1' } };
    expect(clientAddress(trust)(request as unknown as IncomingMessage)).toBe(address);
  });
});
