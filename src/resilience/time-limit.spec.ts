import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TimeLimit, withinLimit } from './time-limit.js';

function holdLoop(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Resolves with how long the limit lasted. */
function lasted(limitMs: number, maxExtraMs?: number): Promise<number> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    void new TimeLimit(limitMs, () => resolve(performance.now() - startMs), maxExtraMs);
  });
}

describe('TimeLimit', () => {
  it('ends soon after its time', async () => {
    expect(await lasted(40)).toBeGreaterThanOrEqual(39);
  });

  it('does not end when it is stopped, not even when its time has passed', async () => {
    const ended = new Promise((resolve) => {
      const limit = new TimeLimit(20, () => resolve('over'));
      setTimeout(() => limit.stop(), 19);
    });
    holdLoop(60);
    expect(await Promise.race([ended, sleep(200, 'stopped')])).toBe('stopped');
  });

  it('is extended by the time for which a busy loop delayed it, once and no longer than it may', async () => {
    const ended = lasted(20);
    holdLoop(200);
    expect(await ended).toBeGreaterThanOrEqual(219);
    const brief = lasted(20, 60);
    holdLoop(400);
    expect(await brief).toBeGreaterThanOrEqual(459);
  });

  describe('of somebody on a socket', () => {
    const server = createServer();
    let ours: Socket;
    let theirs: Socket;

    beforeAll(async () => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ours = connect((server.address() as AddressInfo).port, '127.0.0.1');
      [theirs] = (await once(server, 'connection')) as [Socket];
    });

    afterAll(() => {
      ours.destroy();
      theirs.destroy();
      server.close();
    });

    it('leaves time to read what had arrived in time', async () => {
      const answer = once(ours, 'data').then(() => 'answered');
      const outcome = withinLimit(answer, 30);
      theirs.write('x');
      holdLoop(300);
      expect(await outcome).toBe('answered');
    });
  });
});

describe('withinLimit', () => {
  it('passes on what the work comes to, in time', async () => {
    expect(await withinLimit(Promise.resolve('done'), 1000)).toBe('done');
    await expect(withinLimit(Promise.reject(new Error('broken')), 1000)).rejects.toThrow('broken');
  });

  it('rejects when it takes longer', async () => {
    await expect(withinLimit(new Promise(() => undefined), 20)).rejects.toThrow('no answer within 20 ms');
  });
});
