import { createHash, createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import type { FlagName, FlagValue } from './flags.js';
import { percentFlag, readFlags, switchFlag, unknownFlags } from './flag-settings.js';
import { redisAddress, type RedisAddress } from './redis-address.js';

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

function wholeNumber(min: number, max: number, fallback: number) {
  return z
    .string()
    .regex(/^\d+$/, 'a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(fallback);
}

function url(...protocols: string[]) {
  return z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    message: `a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });
}

/** The environment variables: names and defaults are the contract with operators, listed in `.env.example`. */
const environmentSchema = z.object({
  PORT: wholeNumber(0, 65_535, 8000),
  HOST: z.string().min(1).default('127.0.0.1'),
  NODE_NAME: z.string().min(1).max(64).optional(),
  PUBLIC_URL: url('http:', 'https:')
    .refine((value) => new URL(value).protocol === 'https:' || LOOPBACK_HOSTS.has(new URL(value).hostname), {
      message: 'https, because plain http is for loopback hosts only',
    })
    .optional(),
  DATABASE_URL: url('postgres:', 'postgresql:'),
  REDIS_URL: redisAddress(),
  JWT_SECRET: z
    .string()
    .refine((value) => Buffer.byteLength(value) >= 32, { message: 'at least 32 bytes' })
    .optional(),
  JWT_PRIVATE_KEY: z.string().optional(),
  JWT_PUBLIC_KEYS: z.string().optional(),
  JWT_ISSUER: z.string().min(1).default('admit-one'),
  JWT_AUDIENCE: z.string().min(1).default('admit-one'),
  ACCESS_TOKEN_TTL_SECONDS: wholeNumber(10, 86_400, 900),
  SESSION_TTL_SECONDS: wholeNumber(10, 86_400, 1800),
  SESSION_MAX_SECONDS: wholeNumber(10, 2_592_000, 43_200),
  REFRESH_GRACE_SECONDS: wholeNumber(0, 60, 10),
  WS_TICKET_TTL_SECONDS: wholeNumber(5, 120, 30),
  WS_HEARTBEAT_SECONDS: wholeNumber(1, 3600, 30),
  WS_MAX_CONNECTIONS_PER_SESSION: wholeNumber(1, 10_000, 5),
  WS_MAX_CONNECTIONS_PER_USER: wholeNumber(1, 100_000, 20),
  ALLOWED_ORIGINS: z
    .string()
    .transform((value) => value.split(',').map((origin) => origin.trim()))
    .refine((origins) => origins.every(isOrigin), {
      message: 'a comma-separated list of origins such as https://chat.example.com, without a path',
    })
    .optional(),
  TRUST_PROXY: z.string().default('false').transform(parseTrustProxy),
  REGISTRATION: z.enum(['open', 'closed']).default('closed'),
  RESPONDER: z.enum(['builtin', 'ollama']).default('builtin'),
  OLLAMA_URL: url('http:', 'https:').default('http://127.0.0.1:11434'),
  OLLAMA_MODEL: z.string().min(1).default('llama3.2'),
  RUNS_PER_NODE: wholeNumber(1, 10_000, 1000),
  RUNS_PER_USER: wholeNumber(1, 100, 4),
  DRAIN_SECONDS: wholeNumber(0, 3600, 20),
  AUDIT_RETENTION_DAYS: wholeNumber(0, 36_500, 365),
  METRICS_TOKEN: z.string().min(16).optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: wholeNumber(1, 100_000_000, 600),
  LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: wholeNumber(1, 100_000_000, 600),
  LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: wholeNumber(1, 100_000_000, 10),
  LIMIT_TICKETS_PER_USER_PER_MINUTE: wholeNumber(1, 100_000_000, 30),
  LIMIT_TICKETS_OUTSTANDING_PER_USER: wholeNumber(1, 100_000_000, 20),
  LIMIT_MESSAGES_PER_USER_PER_MINUTE: wholeNumber(1, 100_000_000, 100),
  FLAG_LEGACY_AUTHORIZATION_HEADER: switchFlag(),
  FLAG_LEGACY_SUBPROTOCOL: switchFlag(),
  FLAG_LEGACY_QUERY_TOKEN: switchFlag(),
  FLAG_LEGACY_COOKIE: switchFlag(),
  FLAG_LEGACY_SESSION_ID: switchFlag(),
  FLAG_LEGACY_FIRST_MESSAGE: switchFlag(),
  FLAG_LEGACY_TOKEN_FORMATS: switchFlag(),
  FLAG_TICKET_REQUIRED: percentFlag(),
});

type Environment = z.infer<typeof environmentSchema>;

/** Whom to trust about the client's address: nobody, everybody, that many proxies, or these networks. */
export type TrustProxy = boolean | number | string[];

export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256';

export interface JwtKeys {
  algorithm: JwtAlgorithm;
  /** Key that signs, and the `kid` that its tokens carry. */
  signing: { kid: string; key: KeyObject };
  /** Keys that verify, by `kid`: the signing key's own and those of tokens still in circulation. */
  verifying: ReadonlyMap<string, KeyObject>;
}

/** Thrown when the environment cannot be used. The message has one line per variable and never a value that is secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** All settings of a node. Durations carry their unit in the name. */
export class Config {
  readonly port: number;
  readonly host: string;
  readonly nodeName: string;
  readonly publicUrl: string;
  readonly databaseUrl: string;
  readonly redis: RedisAddress;
  readonly jwt: JwtKeys & { issuer: string; audience: string };
  readonly accessTokenTtlSeconds: number;
  readonly sessionTtlSeconds: number;
  readonly sessionMaxSeconds: number;
  /** How long the last used refresh token may be repeated for the same successor. 0: a repetition ends the session. */
  readonly refreshGraceSeconds: number;
  readonly ticketTtlSeconds: number;
  readonly heartbeatSeconds: number;
  readonly maxConnectionsPerSession: number;
  readonly maxConnectionsPerUser: number;
  readonly allowedOrigins: ReadonlySet<string>;
  readonly trustProxy: TrustProxy;
  readonly registration: 'open' | 'closed';
  readonly responder: 'builtin' | 'ollama';
  readonly ollama: { url: string; model: string };
  /** Answers that are written at the same time, on one node and of one user over all nodes. */
  readonly runs: { perNode: number; perUser: number };
  readonly drainSeconds: number;
  /** 0 keeps all rows. */
  readonly auditRetentionDays: number;
  readonly metricsToken: string | undefined;
  readonly logLevel: string;
  /** The value of each flag unless an administrator sets another. */
  readonly flags: Readonly<Record<FlagName, FlagValue>>;
  /** Counts per minute, except `ticketsOutstandingPerUser`, which is the number at any one time. */
  readonly limits: {
    requestsPerAddress: number;
    upgradesPerAddress: number;
    loginsPerAccount: number;
    ticketsPerUser: number;
    ticketsOutstandingPerUser: number;
    messagesPerUser: number;
  };

  constructor(environment: Environment) {
    this.port = environment.PORT;
    this.host = environment.HOST;
    this.nodeName = environment.NODE_NAME ?? `${hostname()}-${process.pid}`;
    this.publicUrl = (environment.PUBLIC_URL ?? `http://localhost:${environment.PORT}`).replace(/\/+$/, '');
    this.databaseUrl = environment.DATABASE_URL;
    this.redis = environment.REDIS_URL;
    this.jwt = {
      ...readJwtKeys(environment),
      issuer: environment.JWT_ISSUER,
      audience: environment.JWT_AUDIENCE,
    };
    this.accessTokenTtlSeconds = environment.ACCESS_TOKEN_TTL_SECONDS;
    this.sessionTtlSeconds = environment.SESSION_TTL_SECONDS;
    this.sessionMaxSeconds = environment.SESSION_MAX_SECONDS;
    this.refreshGraceSeconds = environment.REFRESH_GRACE_SECONDS;
    this.ticketTtlSeconds = environment.WS_TICKET_TTL_SECONDS;
    this.heartbeatSeconds = environment.WS_HEARTBEAT_SECONDS;
    this.maxConnectionsPerSession = environment.WS_MAX_CONNECTIONS_PER_SESSION;
    this.maxConnectionsPerUser = environment.WS_MAX_CONNECTIONS_PER_USER;
    this.allowedOrigins = new Set(environment.ALLOWED_ORIGINS ?? [new URL(this.publicUrl).origin]);
    this.trustProxy = environment.TRUST_PROXY;
    this.registration = environment.REGISTRATION;
    this.responder = environment.RESPONDER;
    this.ollama = { url: environment.OLLAMA_URL, model: environment.OLLAMA_MODEL };
    this.runs = { perNode: environment.RUNS_PER_NODE, perUser: environment.RUNS_PER_USER };
    this.drainSeconds = environment.DRAIN_SECONDS;
    this.auditRetentionDays = environment.AUDIT_RETENTION_DAYS;
    this.metricsToken = environment.METRICS_TOKEN;
    this.logLevel = environment.LOG_LEVEL;
    this.flags = readFlags(environment);
    this.limits = {
      requestsPerAddress: environment.LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE,
      upgradesPerAddress: environment.LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE,
      loginsPerAccount: environment.LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE,
      ticketsPerUser: environment.LIMIT_TICKETS_PER_USER_PER_MINUTE,
      ticketsOutstandingPerUser: environment.LIMIT_TICKETS_OUTSTANDING_PER_USER,
      messagesPerUser: environment.LIMIT_MESSAGES_PER_USER_PER_MINUTE,
    };
  }
}

/**
 * Reads and checks the environment.
 * @throws {ConfigError} naming each bad variable, what was expected and what was found.
 */
export function loadConfig(environment: Record<string, string | undefined> = process.env): Config {
  // An empty variable is how compose files and shells say "not set".
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  const faults = [...(parsed.success ? [] : describe(parsed.error, given)), ...unknownFlags(given)];
  if (!parsed.success || faults.length > 0) {
    throw new ConfigError(`The settings cannot be used.\n${faults.join('\n')}`);
  }
  return new Config(parsed.data);
}

function describe(error: z.ZodError, given: Record<string, string | undefined>): string[] {
  return error.issues.map((issue) => {
    const name = String(issue.path[0]);
    return `${name}: expected ${expectation(issue.message)}, got ${show(name, given[name])}`;
  });
}

/** Strips zod's own words around the expectation, so that a sentence can begin with it. */
function expectation(message: string): string {
  return message
    .replace(/^Invalid (input|option): expected /, '')
    .replace(/^Too (small|big): expected number to be /, 'a number ')
    .replace(/, received .*$/, '');
}

/** Keys, tokens and URLs with passwords are described, not shown. */
function show(name: string, value: string | undefined): string {
  if (value === undefined) return 'nothing';
  if (/SECRET|KEY|TOKEN$|_URL$/.test(name)) return `${Buffer.byteLength(value)} bytes (not shown)`;
  return JSON.stringify(value);
}

function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value;
}

function parseTrustProxy(value: string): TrustProxy {
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^\d+$/.test(value)) return Number(value);
  return value.split(',').map((network) => network.trim());
}

function readJwtKeys(environment: Environment): JwtKeys {
  const { JWT_SECRET: secret, JWT_PRIVATE_KEY: privatePem, JWT_PUBLIC_KEYS: publicKeys } = environment;
  if (privatePem !== undefined) return readKeyPair(privatePem, publicKeys);
  if (secret === undefined) {
    throw new ConfigError(
      'The settings cannot be used.\nJWT_SECRET: expected at least 32 bytes (or JWT_PRIVATE_KEY and JWT_PUBLIC_KEYS), got nothing',
    );
  }
  const key = createSecretKey(Buffer.from(secret));
  const kid = createHash('sha256').update('kid').update(secret).digest('hex').slice(0, 8);
  return { algorithm: 'HS256', signing: { kid, key }, verifying: new Map([[kid, key]]) };
}

function readKeyPair(privatePem: string, publicKeysJson: string | undefined): JwtKeys {
  const key = readKey('JWT_PRIVATE_KEY', () => createPrivateKey(privatePem.replaceAll('\\n', '\n')));
  const algorithm = algorithmOf(key);
  const verifying = new Map<string, KeyObject>();
  for (const [kid, pem] of Object.entries(readPublicKeys(publicKeysJson))) {
    verifying.set(
      kid,
      readKey('JWT_PUBLIC_KEYS', () => createPublicKey(pem.replaceAll('\\n', '\n'))),
    );
  }
  const own = createPublicKey(key);
  const kid = [...verifying].find(([, candidate]) => candidate.equals(own))?.[0];
  if (kid === undefined) {
    throw new ConfigError(
      'The settings cannot be used.\nJWT_PUBLIC_KEYS: expected a JSON object {"<kid>": "<PEM>"} that holds the public key of JWT_PRIVATE_KEY, got none that matches',
    );
  }
  return { algorithm, signing: { kid, key }, verifying };
}

function readPublicKeys(json: string | undefined): Record<string, string> {
  const parsed = z.record(z.string(), z.string()).safeParse(readJson(json));
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    'The settings cannot be used.\nJWT_PUBLIC_KEYS: expected a JSON object {"<kid>": "<PEM>"}, got something else',
  );
}

function readJson(json: string | undefined): unknown {
  try {
    return JSON.parse(json ?? '');
  } catch {
    return undefined;
  }
}

function readKey(name: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(
      `The settings cannot be used.\n${name}: expected a PEM key, got something unreadable`,
      {
        cause: error,
      },
    );
  }
}

function algorithmOf(key: KeyObject): JwtAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new ConfigError(
    `The settings cannot be used.\nJWT_PRIVATE_KEY: expected an RSA or P-256 key, got ${key.asymmetricKeyType ?? 'a secret'}`,
  );
}
