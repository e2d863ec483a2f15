import { isIP } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import { z } from 'zod';

/** Whom to trust about the client's address: nobody, everybody, that many proxies, or these networks. */
export type TrustProxy = boolean | number | string[];

const EXPECTED =
  'true, false, a number of proxies up to 100, or a list of addresses and networks such as 127.0.0.1, 10.0.0.0/8';
/** Names of `proxy-addr` for networks that everybody has. */
const NETWORK_NAMES = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** The setting `TRUST_PROXY`. */
export function trustProxy() {
  return z
    .string()
    .default('false')
    .transform((value, context): TrustProxy => {
      if (value === 'true' || value === 'false') return value === 'true';
      if (/^(\d\d?|100)$/.test(value)) return Number(value);
      const networks = value.split(',').map((network) => network.trim());
      if (networks.every(isNetwork)) return networks;
      context.addIssue({ code: 'custom', message: EXPECTED });
      return z.NEVER;
    });
}

function isNetwork(text: string): boolean {
  if (NETWORK_NAMES.has(text)) return true;
  // The library alone would take "16" and "0x10" for addresses.
  if (isIP(text.replace(/\/.*$/, '')) === 0) return false;
  try {
    proxyAddr.compile(text);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
