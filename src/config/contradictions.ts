/** The settings that are compared: see `Config`. */
interface Compared {
  readonly accessTokenTtlSeconds: number;
  readonly sessionTtlSeconds: number;
  readonly sessionMaxSeconds: number;
  readonly maxConnectionsPerSession: number;
  readonly maxConnectionsPerUser: number;
  readonly allowedOrigins: ReadonlySet<string>;
  readonly publicUrl: string;
}

/**
 * Settings of which one keeps another from its effect, a sentence for each. The node runs all the same, and says so in its
 * log when it starts.
 * @param given the variables that are set.
 */
export function contradictions(config: Compared, given: Readonly<Record<string, unknown>>): string[] {
  return [...keyContradictions(given), ...lifeContradictions(config), ...accessContradictions(config)];
}

function* keyContradictions(given: Readonly<Record<string, unknown>>): Generator<string> {
  const { JWT_SECRET: secret, JWT_PRIVATE_KEY: privateKey, JWT_PUBLIC_KEYS: publicKeys } = given;
  if (privateKey !== undefined && secret !== undefined) yield 'JWT_SECRET is not used: JWT_PRIVATE_KEY signs';
  if (privateKey === undefined && publicKeys !== undefined)
    yield 'JWT_PUBLIC_KEYS is not used: there is no JWT_PRIVATE_KEY';
}

function* lifeContradictions(config: Compared): Generator<string> {
  const { accessTokenTtlSeconds: token, sessionTtlSeconds: idle, sessionMaxSeconds: longest } = config;
  const session = `SESSION_TTL_SECONDS (${idle}) and SESSION_MAX_SECONDS (${longest})`;
  if (idle > longest) yield `a session ends before it can be idle for long enough: ${session}`;
  if (token > Math.min(idle, longest))
    yield `ACCESS_TOKEN_TTL_SECONDS (${token}) is longer than a session may last without use: ${session}`;
}

function* accessContradictions(config: Compared): Generator<string> {
  const {
    maxConnectionsPerSession: session,
    maxConnectionsPerUser: user,
    allowedOrigins,
    publicUrl,
  } = config;
  if (session > user)
    yield `WS_MAX_CONNECTIONS_PER_SESSION (${session}) is more than WS_MAX_CONNECTIONS_PER_USER (${user})`;
  if (!allowedOrigins.has(publicUrl))
    yield `ALLOWED_ORIGINS lacks ${publicUrl}: the page of this server, at PUBLIC_URL, cannot connect`;
}
