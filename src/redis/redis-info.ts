import { connectionsOf, type RedisClient } from './redis-client.js';

/**
 * Returns a section of `INFO` of each connected server; a server that refuses or does not answer is left out.
 * Bypasses the breaker, which must not open because a Redis refuses `INFO`.
 */
export async function serverInfo(client: RedisClient, section: string): Promise<Map<string, string>[]> {
  const answers = await Promise.allSettled(connectionsOf(client).map((server) => server.info(section)));
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [fieldsOf(answer.value)] : []));
}

/** Lines of `name:value`, between headings that begin with `#`. */
export function fieldsOf(info: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of info.split('\r\n')) {
    const [name, value] = line.split(':', 2);
    if (name !== undefined && value !== undefined) fields.set(name, value);
  }
  return fields;
}
