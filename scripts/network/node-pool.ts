import { say } from '../launch-error.js';
import type { ServerProcess } from '../server-process.js';

interface Member {
  server: ServerProcess;
  /** False while the node reports that it is not ready, because it drains or hangs. */
  isReady: boolean;
}

const PROBE_EVERY_MS = 500;
const PROBE_LIMIT_MS = 1_000;

/** The nodes behind the front, and whose turn it is. A dead node is not restarted: the demo is meant to show that. */
export class NodePool {
  private readonly members: Member[] = [];
  private timer: NodeJS.Timeout | undefined;

  add(server: ServerProcess): void {
    this.members.push({ server, isReady: true });
    const { name, pid } = server.child;
    void server.child.exited.then(({ code, signal }) => {
      if (this.timer === undefined) return;
      const left = this.members.filter((member) => member.server.child.exit === undefined).length;
      say(`${name} (pid ${pid}) ended with ${signal ?? `code ${code}`}; ${left} still running`);
    });
  }

  /** Ports to try, best first: ready nodes in turn, then other running ones, so that clients get their 503. */
  inTurn(turn: number): number[] {
    const running = this.members.filter((member) => member.server.child.exit === undefined);
    const first = running.length === 0 ? 0 : turn % running.length;
    const rotated = [...running.slice(first), ...running.slice(0, first)];
    const ready = rotated.filter((member) => member.isReady);
    const others = rotated.filter((member) => !member.isReady);
    return [...ready, ...others].map((member) => member.server.port);
  }

  /** Keeps asking every node whether it is ready, as a load balancer does. */
  watch(): void {
    this.timer = setInterval(() => {
      for (const member of this.members) void probe(member);
    }, PROBE_EVERY_MS);
  }

  /** Sends SIGTERM to all at once, so that they drain side by side. */
  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    for (const { server } of this.members) server.child.kill('SIGTERM');
  }
}

async function probe(member: Member): Promise<void> {
  if (member.server.child.exit !== undefined) return;
  try {
    const url = `http://127.0.0.1:${member.server.port}/health/ready`;
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_LIMIT_MS) });
    await response.body?.cancel();
    member.isReady = response.ok;
  } catch {
    // No answer in time means not ready.
    member.isReady = false;
  }
}
