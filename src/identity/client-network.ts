import { isIPv6 } from 'node:net';

const GROUPS = 8;
/** RFC 6177: a customer gets at least a /64. */
const NETWORK_GROUPS = 4;
/** `::ffff:0:0/96` (RFC 4291 section 2.5.5.2) and `64:ff9b::/96` (RFC 6052): an IPv4 address in the last 32 bits. */
const IPV4_PREFIXES = new Set(['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0']);

/**
 * What limits count as one client: an IPv4 address, or the /64 of an IPv6 address, within which one customer may use any
 * number of addresses. An IPv4 address that is written as IPv6 counts as IPv4.
 * @param address as a socket or `X-Forwarded-For` has it, with or without zone, brackets and port: some proxies add the
 * port, which differs for each connection. Text that is not an address counts as one client.
 */
export function clientNetwork(address: string): string {
  const bare = address
    .replace(/^\[(.*)\](:\d+)?$/, '$1')
    .replace(/^([\d.]+):\d+$/, '$1')
    .replace(/%.*$/, '');
  if (!isIPv6(bare)) return bare;
  const groups = expand(bare);
  if (IPV4_PREFIXES.has(groups.slice(0, 6).join(':'))) return toIPv4(groups.slice(6));
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** The eight groups of a valid IPv6 address, in lower-case hexadecimal without leading zeros. */
function expand(address: string): string[] {
  const [head = '', tail] = withoutDots(address.toLowerCase()).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : GROUPS - left.length - right.length;
  const groups = [...left, ...Array.from({ length: missing }, () => '0'), ...right];
  return groups.map((group) => group.replace(/^0+(?=.)/, ''));
}

/** `::ffff:192.0.2.1` as `::ffff:c000:201`. */
function withoutDots(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_dotted, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}

function toIPv4(groups: readonly string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((value) => [value >> 8, value & 255])
    .join('.');
}
