const CHAT_PREFIX = '/api/v1/chat';
const OLD_SOCKET_PATH = '/api/ws';

/** Scheme and authority of a request target. */
const AUTHORITY = /^https?:\/\/[^/?#]*/i;

/**
 * The path and query of a request target. RFC 9112 section 3.2.2: a server accepts the absolute form, which clients use
 * that take us for a proxy.
 */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const rest = target.replace(AUTHORITY, '');
  return rest === target || rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * Maps the paths of old gateways: `/api/ws` is `/ws`, and `/api/v1/chat/*` is `/*`. Compares whole segments.
 * @param target of a request, with or without a query string.
 */
export function resolveAlias(target: string): string {
  const path = originForm(target);
  if (isBelow(path, CHAT_PREFIX)) return path.slice(CHAT_PREFIX.length) || '/';
  if (isBelow(path, OLD_SOCKET_PATH)) return `/ws${path.slice(OLD_SOCKET_PATH.length)}`;
  return path;
}

function isBelow(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || '/?'.includes(path.charAt(prefix.length)))
  );
}
