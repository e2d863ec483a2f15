const CHAT_PREFIX = '/api/v1/chat';
const OLD_SOCKET_PATH = '/api/ws';

/**
 * Maps the paths of old gateways: `/api/ws` is `/ws`, and `/api/v1/chat/*` is `/*`. Compares whole segments.
 * @param path path of a request, with or without a query string.
 */
export function resolveAlias(path: string): string {
  if (isBelow(path, CHAT_PREFIX)) return path.slice(CHAT_PREFIX.length) || '/';
  if (isBelow(path, OLD_SOCKET_PATH)) return `/ws${path.slice(OLD_SOCKET_PATH.length)}`;
  return path;
}

function isBelow(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || '/?'.includes(path.charAt(prefix.length)))
  );
}
