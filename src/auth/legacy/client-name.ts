import type { IncomingHttpHeaders } from 'node:http';

/** Names that our own clients may send in `X-Client-Name`. */
const REGISTERED = new Set(['web', 'ios', 'android', 'desktop', 'cli', 'bot']);

/** Patterns of user agents, and their names in metrics. The first match applies. */
const AGENTS: readonly (readonly [RegExp, string])[] = [
  [/^mozilla\//i, 'browser'],
  [/python|aiohttp|httpx/i, 'python'],
  [/^(java|okhttp|jetty|apache-httpclient)/i, 'java'],
  [/^go-http-client|gorilla/i, 'go'],
  [/^curl\//i, 'curl'],
  [/^(node|undici|axios|ws)\b/i, 'node'],
];

/** Name of the client from a closed list: text from a client never becomes a metric label. */
export function clientName(headers: IncomingHttpHeaders): string {
  const name = headers['x-client-name'];
  if (typeof name === 'string' && REGISTERED.has(name)) return name;
  const agent = headers['user-agent'] ?? '';
  return AGENTS.find(([form]) => form.test(agent))?.[1] ?? 'other';
}
