import { randomUUID } from 'node:crypto';
import { inParallel } from '../figures.js';
import type { RunningContender } from './contender.js';
import { Findings } from './findings.js';
import { LeanHttp } from './lean-http.js';
import { LeanSocket } from './lean-socket.js';
import { cpuMs, untilIdle } from './process-cost.js';
import type { RowId } from './rows.js';
import type { Sizes } from './sizes.js';

/** A signed-in user. */
export interface Account {
  accessToken: string;
}

/** Clients that open sockets at the same time. */
const WIDTH = 50;
/** Each of these addresses of this machine has its own ports: closed connections block theirs for a minute. */
const SOURCES = 200;

/** A running server, the users who talk to it, and what is found about it. */
export class Stage {
  /** What is found meanwhile does not count. */
  isWarmingUp = false;
  private turn = 0;

  constructor(
    readonly server: RunningContender,
    readonly accounts: readonly Account[],
    readonly sizes: Sizes,
    readonly redisUrl: string,
    private readonly findings: Findings,
  ) {}

  account(index: number): Account {
    const account = this.accounts[index % this.accounts.length];
    if (account === undefined) throw new Error('nobody is signed in');
    return account;
  }

  add(row: RowId, value: number): void {
    if (!this.isWarmingUp) this.findings.add(row, this.server.name, value);
  }

  addWaits(step: string, valuesMs: readonly number[]): void {
    if (!this.isWarmingUp) this.findings.addWaits(step, this.server.name, valuesMs);
  }

  /** CPU time in milliseconds that the server uses for some work and until it has nothing more to do because of it. */
  async cost(work: () => Promise<unknown>): Promise<number> {
    const before = cpuMs(this.server.pids);
    await work();
    await untilIdle(this.server.pids);
    return cpuMs(this.server.pids) - before;
  }

  /** Opens sockets with tickets of their own, 50 at a time; of one user, or of all in turn. Nodes take turns. */
  async open(count: number, owner?: Account): Promise<LeanSocket[]> {
    const https = Array.from({ length: WIDTH }, (_, index) => this.http(index));
    try {
      return await this.through(https, count, async (http, index) => {
        const ticket = await http.mint((owner ?? this.account(index)).accessToken);
        const socket = this.dial(ticket, index);
        await socket.next('"ready"');
        return socket;
      });
    } finally {
      for (const http of https) http.close();
    }
  }

  /** Does work `count` times over connections that each do one thing at a time. */
  async through<Result>(
    https: readonly LeanHttp[],
    count: number,
    work: (http: LeanHttp, index: number) => Promise<Result>,
  ): Promise<Result[]> {
    const free = [...https];
    const indexes = Array.from({ length: count }, (_, index) => index);
    return inParallel(indexes, https.length, async (index) => {
      const http = free.pop();
      if (http === undefined) throw new Error('more work at once than connections');
      try {
        return await work(http, index);
      } finally {
        free.push(http);
      }
    });
  }

  /** A connection for requests to one of the nodes. */
  http(index: number): LeanHttp {
    return new LeanHttp(this.port(index), this.source());
  }

  /** Begins an upgrade. */
  dial(ticket: string, index: number): LeanSocket {
    return new LeanSocket(this.port(index), ticket, this.source(), this.server.dialect);
  }

  /** New conversations of a user. Peers store none and take any name. */
  async newConversations(owner: Account, count: number): Promise<string[]> {
    if (this.server.name !== 'product') return Array.from({ length: count }, () => randomUUID());
    const http = this.http(0);
    const ids: string[] = [];
    for (let number = 0; number < count; number++) {
      const { status, body } = await http.post('/conversations', owner.accessToken, '{}');
      if (status !== 201) throw new Error(`POST /conversations: status ${status} ${body}`);
      ids.push((JSON.parse(body) as { id: string }).id);
    }
    http.close();
    return ids;
  }

  private port(index: number): number {
    return this.server.ports[index % this.server.ports.length] ?? 0;
  }

  private source(): string {
    this.turn = (this.turn + 1) % SOURCES;
    return `127.0.1.${this.turn + 1}`;
  }
}

export function dropAll(sockets: readonly LeanSocket[]): void {
  for (const socket of sockets) socket.drop();
}

/** The frame with a question whose answer has this many tokens. */
export function questionFrame(socket: LeanSocket, conversationId: string, tokens: number): Buffer {
  return socket.frameOf('message.send', {
    conversation_id: conversationId,
    client_message_id: randomUUID(),
    content: `write ${tokens} tokens`,
  });
}
