import type { IncomingMessage } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import type { TrustProxy } from '../../config/trust-proxy.js';

type Trust = (address: string, hop: number) => boolean;

/** Finds the client's address by the rule that Fastify uses for HTTP requests. */
export function clientAddress(trustProxy: TrustProxy): (request: IncomingMessage) => string {
  const trust = toTrust(trustProxy);
  return (request) => proxyAddr(request, trust);
}

function toTrust(trustProxy: TrustProxy): Trust {
  if (typeof trustProxy === 'boolean') return () => trustProxy;
  if (typeof trustProxy === 'number') return (_address, hop) => hop < trustProxy;
  return proxyAddr.compile(trustProxy);
}
