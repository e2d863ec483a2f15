import { hostname } from 'node:os';
import { z } from 'zod';
import type { FlagName, FlagValue } from './flags.js';
import type { AnswerSettings } from './answer-settings.js';
import { allowedOrigins } from './allowed-origins.js';
import { contradictions } from './contradictions.js';
import { percentFlag, readFlags, switchFlag, unknownFlags } from './flag-settings.js';
import { JwtKeyError, type JwtKeys, type JwtSettings, readJwtKeys } from './jwt-keys.js';
import { redisAddress, type RedisAddress } from './redis-address.js';
import { trustProxy, type TrustProxy } from './trust-proxy.js';
import { databaseUrl, publicUrl, serviceUrl } from './url-settings.js';

/** PEM and JSON may end with a line break and have more inside. */
const SEVERAL_LINES = new Set(['JWT_PRIVATE_KEY', 'JWT_PUBLIC_KEYS', 'SYSTEM_PROMPT']);
/** As much of a wrong value is shown. */
const MAX_SHOWN = 200;
/** A longer `iss` or `aud` would make tokens that are too long for our own check. */
const MAX_NAME_LENGTH = 200;
/** A longer prompt would leave no room for the conversation. */
const MAX_PROMPT_LENGTH = 20_000;

function wholeNumber(min: number, max: number, fallback: number) {
  return numberBetween(min, max).default(fallback);
}

function numberBetween(min: number, max: number) {
  return (
    z
      .string()
      .regex(/^\d+$/, 'a whole number')
      // More digits than a number has would be "not a number" in the message.
      .transform((digits) => Math.min(Number(digits), Number.MAX_SAFE_INTEGER))
      .pipe(z.number().min(min).max(max))
  );
}

/** A secret that stands in an `Authorization` header. */
function headerToken(minLength: number) {
  const words = `${minLength} to 1024 letters, digits and signs of ASCII, which a header can carry`;
  return z.string().regex(new RegExp(`^[!-~]{${minLength},1024}$`), words);
}

function name() {
  return z.string().max(MAX_NAME_LENGTH, `at most ${MAX_NAME_LENGTH} characters`);
}

/** The environment variables: names and defaults are the contract with operators, listed in `.env.example`. */
const environmentSchema = z.object({
  PORT: wholeNumber(0, 65_535, 8000),
  HOST: z
    .string()
    .regex(/^[\w.:%-]{1,255}$/, 'an address of this machine, such as 127.0.0.1 or 0.0.0.0, or a name of it')
    .default('127.0.0.1'),
  NODE_NAME: z.string().max(64, 'at most 64 characters').optional(),
  PUBLIC_URL: publicUrl().optional(),
  DATABASE_URL: databaseUrl(),
  REDIS_URL: redisAddress(),
  JWT_SECRET: z
    .string()
    .refine((value) => Buffer.byteLength(value) >= 32, { message: 'at least 32 bytes' })
    .optional(),
  JWT_PRIVATE_KEY: z.string().optional(),
  JWT_PUBLIC_KEYS: z.string().optional(),
  JWT_ISSUER: name().default('admit-one'),
  JWT_AUDIENCE: name().default('admit-one'),
  ACCESS_TOKEN_TTL_SECONDS: wholeNumber(10, 86_400, 900),
  SESSION_TTL_SECONDS: wholeNumber(10, 86_400, 1800),
  SESSION_MAX_SECONDS: wholeNumber(10, 2_592_000, 43_200),
  REFRESH_GRACE_SECONDS: wholeNumber(0, 60, 10),
  WS_TICKET_TTL_SECONDS: wholeNumber(5, 120, 30),
  WS_HEARTBEAT_SECONDS: wholeNumber(1, 3600, 30),
  WS_MAX_CONNECTIONS_PER_SESSION: wholeNumber(1, 10_000, 5),
  WS_MAX_CONNECTIONS_PER_USER: wholeNumber(1, 100_000, 20),
  ALLOWED_ORIGINS: allowedOrigins().optional(),
  TRUST_PROXY: trustProxy(),
  REGISTRATION: z.enum(['open', 'closed']).default('closed'),
  RESPONDER: z.enum(['builtin', 'ollama', 'openai']).default('builtin'),
  OLLAMA_URL: serviceUrl().default('http://127.0.0.1:11434'),
  OLLAMA_MODEL: name().default('llama3.2'),
  OPENAI_BASE_URL: serviceUrl().default('http://127.0.0.1:8080/v1'),
  OPENAI_API_KEY: headerToken(1).optional(),
  OPENAI_MODEL: name().default('default'),
  SYSTEM_PROMPT: z
    .string()
    .max(MAX_PROMPT_LENGTH, `at most ${MAX_PROMPT_LENGTH} characters`)
    .regex(/\S/, 'words')
    .optional(),
  RESPONDER_FIRST_TOKEN_SECONDS: wholeNumber(1, 3600, 300),
  RESPONDER_SILENCE_SECONDS: wholeNumber(1, 3600, 60),
  RESPONDER_CONTEXT_TOKENS: wholeNumber(256, 10_000_000, 8192),
  RESPONDER_MAX_CHARACTERS: wholeNumber(100, 10_000_000, 200_000),
  RESPONDER_CONCURRENCY: numberBetween(1, 100_000).optional(),
  RESPONDER_WARM_UP: z.enum(['true', 'false']).default('false'),
  SHOW_THINKING: z.enum(['true', 'false']).default('false'),
  RUNS_PER_NODE: wholeNumber(1, 10_000, 1000),
  RUNS_PER_USER: wholeNumber(1, 100, 4),
  DRAIN_SECONDS: wholeNumber(0, 3600, 20),
  AUDIT_RETENTION_DAYS: wholeNumber(0, 36_500, 365),
  METRICS_TOKEN: headerToken(16).optional(),
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
  readonly responder: 'builtin' | 'ollama' | 'openai';
  readonly ollama: { url: string; model: string };
  readonly openai: { url: string; apiKey: string | undefined; model: string };
  readonly answers: AnswerSettings;
  /** Answers that are written at the same time, on one node and of one user over all nodes. */
  readonly runs: { perNode: number; perUser: number; concurrency: number | undefined };
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
  /** What the operator should know about settings that contradict each other, one sentence each. */
  readonly warnings: readonly string[];

  constructor(environment: Environment, keys: JwtKeys) {
    this.port = environment.PORT;
    this.host = environment.HOST;
    this.nodeName = environment.NODE_NAME ?? `${hostname()}-${process.pid}`;
    this.publicUrl = environment.PUBLIC_URL ?? `http://localhost:${environment.PORT}`;
    this.databaseUrl = environment.DATABASE_URL;
    this.redis = environment.REDIS_URL;
    this.jwt = {
      ...keys,
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
    this.allowedOrigins = new Set(environment.ALLOWED_ORIGINS ?? [this.publicUrl]);
    this.trustProxy = environment.TRUST_PROXY;
    this.registration = environment.REGISTRATION;
    this.responder = environment.RESPONDER;
    this.ollama = { url: environment.OLLAMA_URL, model: environment.OLLAMA_MODEL };
    this.openai = {
      url: environment.OPENAI_BASE_URL,
      apiKey: environment.OPENAI_API_KEY,
      model: environment.OPENAI_MODEL,
    };
    this.answers = {
      systemPrompt: environment.SYSTEM_PROMPT,
      firstTokenMs: environment.RESPONDER_FIRST_TOKEN_SECONDS * 1000,
      silenceMs: environment.RESPONDER_SILENCE_SECONDS * 1000,
      contextTokens: environment.RESPONDER_CONTEXT_TOKENS,
      maxCharacters: environment.RESPONDER_MAX_CHARACTERS,
      warmUp: environment.RESPONDER_WARM_UP === 'true',
      showThinking: environment.SHOW_THINKING === 'true',
    };
    this.runs = {
      perNode: environment.RUNS_PER_NODE,
      perUser: environment.RUNS_PER_USER,
      concurrency: environment.RESPONDER_CONCURRENCY,
    };
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
    this.warnings = contradictions(this, environment);
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
  const faults = new Map(unreadable(given));
  for (const [name, fault] of parsed.success ? [] : faultsOf(parsed.error)) {
    if (!faults.has(name)) faults.set(name, fault);
  }
  const lines = [...faults].map(
    ([name, expected]) => `${name}: expected ${expected}, got ${show(name, given[name])}`,
  );
  const keys = jwtKeys(given);
  if (keys instanceof JwtKeyError && !faults.has(keys.setting)) lines.push(keys.message);
  lines.push(...unknownFlags(given));
  if (!parsed.success || keys instanceof JwtKeyError || lines.length > 0)
    throw new ConfigError(`The settings cannot be used.\n${lines.join('\n')}`);
  return new Config(parsed.data, keys);
}

function jwtKeys(given: JwtSettings): JwtKeys | JwtKeyError {
  try {
    return readJwtKeys(given);
  } catch (error) {
    if (error instanceof JwtKeyError) return error;
    throw error;
  }
}

/** Of every setting: text that was mangled on the way here, which would be compared or stored as something else. */
function* unreadable(given: Record<string, string | undefined>): Generator<[string, string]> {
  for (const name of Object.keys(environmentSchema.shape)) {
    const value = given[name] ?? '';
    // Node decodes the environment: two secrets of other bytes would be the same.
    if (value.includes('\ufffd')) yield [name, 'text in UTF-8'];
    else if (!SEVERAL_LINES.has(name) && (value !== value.trim() || /\p{Cc}/u.test(value)))
      yield [name, 'text without white space around it and without line breaks'];
  }
}

function faultsOf(error: z.ZodError): [string, string][] {
  return error.issues.map((issue) => [String(issue.path[0]), expectation(issue.message)]);
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
  return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}...` : value);
}
