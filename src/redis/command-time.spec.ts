import { describe, expect, it } from '@jest/globals';
import { type TimedCommand, watchTime } from './command-time.js';

/** What ioredis does with a command when it settles. */
function aCommand() {
  let settle: (outcome: string) => void;
  const outcome = new Promise<string>((resolve) => (settle = resolve));
  const command = {
    isSettled: false,
    resolve: () => end('answered'),
    reject: () => end('timed out'),
    _commandTimeoutTimer: undefined,
  };
  const end = (how: string): void => {
    command.isSettled = true;
    clearTimeout(command._commandTimeoutTimer);
    settle(how);
  };
  return { command: command as TimedCommand & { resolve(): void }, outcome };
}

function holdLoop(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('watchTime', () => {
  it('gives up a command that is not answered, soon after its time', async () => {
    const { command, outcome } = aCommand();
    const startMs = performance.now();
    watchTime(command, 40);
    expect(await outcome).toBe('timed out');
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(39);
  });

  it('leaves an answered command alone', async () => {
    const { command, outcome } = aCommand();
    watchTime(command, 20);
    command.resolve();
    expect(await outcome).toBe('answered');
  });

  it('waits for an answer that our own busy event loop has delayed', async () => {
    const { command, outcome } = aCommand();
    watchTime(command, 20);
    holdLoop(120);
    setTimeout(() => command.resolve(), 30);
    expect(await outcome).toBe('answered');
  });

  it('gives a command that a busy loop delayed more time only once', async () => {
    const { command, outcome } = aCommand();
    watchTime(command, 20);
    holdLoop(120);
    expect(await outcome).toBe('timed out');
  });
});
