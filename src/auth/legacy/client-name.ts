import type { IncomingHttpHeaders } from 'node:http';

/** Names that a program of ours may give itself in `X-Client-Name`. */
const REGISTERED = new Set(['web', 'ios', 'android', 'desktop', 'cli', 'bot']);

/** What user agents begin with or contain, and what they are called in metrics. The first that fits. */
const AGENTS: readonly (readonly [RegExp, string])[] = [
  [/^mozilla\//i, 'browser'],
  [/python|aiohttp|httpx/i, 'python'],
  [/^(java|okhttp|jetty|apache-httpclient)/i, 'java'],
  [/^go-http-client|gorilla/i, 'go'],
  [/^curl\//i, 'curl'],
  [/^(node|undici|axios|ws)\b/i, 'node'],
];

/** A word of a closed list for whoever called: what a stranger sends becomes no label. */
export function clientName(headers: IncomingHttpHeaders): string {
  const name = headers['x-client-name'];
  if (typeof name === 'string' && REGISTERED.has(name)) return name;
  const agent = headers['user-agent'] ?? '';
  return AGENTS.find(([form]) => form.test(agent))?.[1] ?? 'other';
}
