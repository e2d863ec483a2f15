import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Front } from '../scripts/network/front.js';
import { NodePool } from '../scripts/network/node-pool.js';
import type { ProcessLedger } from '../scripts/process-ledger.js';
import { type ServerProcess, startServer } from '../scripts/server-process.js';
import { AskingClient, type ClientReport } from './asking-client.js';

export interface RestartOptions {
  databaseUrl: string;
  redisUrl: string;
  nodes: number;
  clients: number;
  drainSeconds: number;
  ledger: ProcessLedger;
  logFile: (name: string) => string;
}

export interface NodeEnd {
  name: string;
  code: number | null;
  /** Time from SIGTERM to the end of the process. */
  ms: number;
}

export interface RestartReport {
  ends: NodeEnd[];
  clients: ClientReport[];
}

const CLIENTS_PER_ACCOUNT = 20;
/** Lengths of answers that begin and end at different moments, so that a restart meets some at each stage. */
const WORDS = [20, 40, 60];

/**
 * Restarts every node behind the demo's proxy, one after the other, while real clients ask and read.
 * @returns the results of each node and each client.
 */
export async function rollingRestart(options: RestartOptions): Promise<RestartReport> {
  const pool = new NodePool();
  const front = new Front(pool);
  const port = await front.listen('127.0.0.1', 0);
  const url = `http://127.0.0.1:${port}`;
  const env = nodeEnv(options, url);
  const running: ServerProcess[] = [];
  const add = async (name: string): Promise<ServerProcess> => {
    const server = await startServer({ name, env, logFile: options.logFile(name), ledger: options.ledger });
    running.push(server);
    pool.add(server);
    return server;
  };
  try {
    const originals: ServerProcess[] = [];
    // One after the other: the first one migrates.
    for (let index = 1; index <= options.nodes; index += 1) originals.push(await add(`node-${index}`));
    pool.watch();
    const clients = await openClients(url, options.clients);
    const enough = new AbortController();
    const asking = Promise.all(clients.map((client) => client.ask(enough.signal)));
    // Until it is awaited below, a failure is not an unhandled one.
    asking.catch(() => undefined);
    const ends: NodeEnd[] = [];
    for (const server of originals) {
      ends.push(await endOf(server));
      await add(`${server.child.name}-again`);
    }
    enough.abort();
    await asking;
    const reports: ClientReport[] = [];
    for (const client of clients) reports.push(await client.verify());
    return { ends, clients: reports };
  } finally {
    pool.stop();
    front.stopListening();
    await Promise.all(running.map(({ child }) => child.stop()));
  }
}

function nodeEnv(options: RestartOptions, url: string): Record<string, string> {
  const { PATH = '', HOME = '/' } = process.env;
  const many = '1000000';
  return {
    PATH,
    HOME,
    HOST: '127.0.0.1',
    PORT: '0',
    PUBLIC_URL: url,
    DATABASE_URL: options.databaseUrl,
    REDIS_URL: options.redisUrl,
    JWT_SECRET: randomBytes(32).toString('hex'),
    REGISTRATION: 'open',
    TRUST_PROXY: '1',
    DRAIN_SECONDS: String(options.drainSeconds),
    WS_MAX_CONNECTIONS_PER_SESSION: String(CLIENTS_PER_ACCOUNT),
    WS_MAX_CONNECTIONS_PER_USER: String(CLIENTS_PER_ACCOUNT),
    LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: many,
    LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: many,
    LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: many,
    LIMIT_TICKETS_PER_USER_PER_MINUTE: many,
    LIMIT_MESSAGES_PER_USER_PER_MINUTE: many,
  };
}

async function openClients(url: string, count: number): Promise<AskingClient[]> {
  const clients: AskingClient[] = [];
  while (clients.length < count) {
    const token = await anAccount(url);
    const more = Math.min(CLIENTS_PER_ACCOUNT, count - clients.length);
    const opened = Array.from({ length: more }, (_, index) => {
      const words = WORDS[(clients.length + index) % WORDS.length] ?? 40;
      return new AskingClient(url, token, words);
    });
    await Promise.all(opened.map((client) => client.open()));
    clients.push(...opened);
  }
  return clients;
}

/** Returns the access token of a new account. */
async function anAccount(url: string): Promise<string> {
  const email = `client-${randomBytes(6).toString('hex')}@example.test`;
  const password = randomBytes(12).toString('base64url');
  await post(`${url}/auth/register`, { email, password });
  return (await post<{ access_token: string }>(`${url}/auth/login`, { email, password })).access_token;
}

async function post<T>(url: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(20_000);
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}`);
  return (await response.json()) as T;
}

async function endOf({ child }: ServerProcess): Promise<NodeEnd> {
  const startMs = Date.now();
  child.kill('SIGTERM');
  const exit = await Promise.race([child.exited, wait(120_000, undefined, { ref: false })]);
  if (exit === undefined) throw new Error(`${child.name} did not end within 120 s`);
  return { name: child.name, code: exit.code, ms: Date.now() - startMs };
}
