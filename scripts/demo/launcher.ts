import { onStopSignals } from '../../src/stop-signals.js';
import { LaunchError, explain, say } from '../launch-error.js';
import { ProcessLedger, signalProcess } from '../process-ledger.js';
import type { StateFolder } from '../state-folder.js';

const LAUNCHER = 'launcher';

/** Longer than the nodes' drain: a child that still runs after this is killed. */
const GRACE_MS = 25_000;

/**
 * Starts processes for a person at a terminal and ends all of them: at Ctrl-C, at SIGTERM, when the terminal is closed,
 * when the start fails half-way, and, through the ledger, at the next start when we were killed.
 */
export class Launcher {
  readonly ledger: ProcessLedger;
  private stopping = false;
  private readonly beforeEnd: (() => void)[] = [];

  constructor(readonly state: StateFolder) {
    this.ledger = new ProcessLedger(state.in('processes.jsonl'));
  }

  /** `work` starts everything and returns; the processes then live until a signal. */
  async run(work: () => Promise<void>): Promise<void> {
    try {
      await this.clearLeftovers();
    } catch (error) {
      say(explain(error));
      process.exit(1);
    }
    this.ledger.record(LAUNCHER, process.pid, 'SIGTERM');
    // Closed with the terminal, or a pipe that ended: what we started is ended all the same.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
    onStopSignals(
      () => this.stop(),
      () => this.endAtOnce(),
    );
    process.on('uncaughtException', (error) => void this.fail(error));
    try {
      await work();
    } catch (error) {
      await this.fail(error);
    }
  }

  /** Called first at the end; must not wait. */
  onEnd(action: () => void): void {
    this.beforeEnd.push(action);
  }

  /** Refuses to run twice in one folder; ends what an earlier, killed start has left. */
  private async clearLeftovers(): Promise<void> {
    const running = this.ledger.living().find((entry) => entry.name === LAUNCHER);
    if (running !== undefined) {
      throw new LaunchError(
        `A demo already runs in ${this.state.path} (pid ${running.pid}): stop it first (kill ${running.pid}).`,
      );
    }
    const left = await this.ledger.endAll(3_000);
    if (left.length > 0)
      say(`Ended what an earlier start left behind: ${left.map((entry) => entry.name).join(', ')}`);
  }

  private stop(): void {
    say('\nStopping; once more to end at once.');
    void this.end(0);
  }

  private endAtOnce(): void {
    say('Ending at once.');
    for (const entry of this.ledger.living()) signalProcess(entry.pid, 'SIGKILL');
  }

  private async fail(error: unknown): Promise<void> {
    // Failures while we stop are caused by the stop.
    if (this.stopping) return;
    say(explain(error));
    await this.end(1);
  }

  private async end(exitCode: number): Promise<void> {
    this.stopping = true;
    for (const action of this.beforeEnd) action();
    await this.ledger.endAll(GRACE_MS);
    process.exit(exitCode);
  }
}
