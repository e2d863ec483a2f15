import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Dependency } from './dependency.js';

class Fault extends Error {}

describe('Dependency', () => {
  beforeEach(() => void jest.useFakeTimers({ now: 0 }));
  afterEach(() => void jest.useRealTimers());

  const dependency = () =>
    new Dependency(
      'redis',
      { failuresToOpen: 3, halfOpenAfterMs: 1000, isFault: (e) => e instanceof Fault },
      { set: () => undefined },
    );
  const fail = (of: Dependency, error: Error = new Fault('down')) =>
    of.run(() => Promise.reject(error)).catch((thrown: unknown) => thrown);

  it('reports a fault as dependency_unavailable, with the time to wait and the cause', async () => {
    const error = await fail(dependency());
    expect(error).toMatchObject({
      code: 'dependency_unavailable',
      detail: 'redis is unavailable',
      retryAfterMs: 1000,
      cause: expect.any(Fault),
    });
  });

  it('reports the cause of an open breaker', async () => {
    const redis = dependency();
    const faults = [new Fault('first'), new Fault('second'), new Fault('third')];
    for (const fault of faults) await fail(redis, fault);
    expect(await fail(redis)).toMatchObject({ code: 'dependency_unavailable', cause: faults[2] });
  });

  it('rethrows an error of the call itself and does not count it', async () => {
    const redis = dependency();
    const wrong = new Error('WRONGTYPE');
    for (let count = 0; count < 5; count++) expect(await fail(redis, wrong)).toBe(wrong);
    expect(redis.state).toBe('closed');
  });

  it('stops calling after enough failures in a row, until one trial call', async () => {
    const redis = dependency();
    const states: string[] = [];
    redis.onStateChange((state) => states.push(state));
    for (let count = 0; count < 3; count++) await fail(redis);
    const call = jest.fn(() => Promise.resolve('up'));
    await expect(redis.run(call)).rejects.toMatchObject({ code: 'dependency_unavailable' });
    expect(call).not.toHaveBeenCalled();
    jest.setSystemTime(1001);
    expect(await redis.run(call)).toBe('up');
    expect(states).toEqual(['open', 'half_open', 'closed']);
  });

  it('opens again when the trial call fails', async () => {
    const redis = dependency();
    for (let count = 0; count < 3; count++) await fail(redis);
    jest.setSystemTime(1001);
    await fail(redis);
    expect(redis.state).toBe('open');
  });

  it('lets no other call through while the trial call hangs', async () => {
    const redis = dependency();
    for (let count = 0; count < 3; count++) await fail(redis);
    jest.setSystemTime(1001);
    let giveUp: (error: Error) => void = () => undefined;
    const hanging = redis.run(() => new Promise<never>((_, reject) => (giveUp = reject)));
    const call = jest.fn(() => Promise.resolve('up'));
    const waiting = redis.run(call);
    expect(redis.state).toBe('half_open');
    giveUp(new Fault('no answer in time'));
    for (const refused of [hanging, waiting]) {
      await expect(refused).rejects.toMatchObject({ code: 'dependency_unavailable' });
    }
    expect(call).not.toHaveBeenCalled();
    expect(redis.state).toBe('open');
  });

  it('logs once that it is down and once that it is back, however often it was tried', async () => {
    const redis = dependency();
    const said: boolean[] = [];
    redis.onAvailabilityChange((isUp) => said.push(isUp));
    for (let count = 0; count < 3; count++) await fail(redis);
    for (const now of [1001, 2002, 3003]) {
      jest.setSystemTime(now);
      await fail(redis);
    }
    expect(said).toEqual([false]);
    jest.setSystemTime(4004);
    await redis.run(() => Promise.resolve());
    expect(said).toEqual([false, true]);
  });

  it('resets the count of failures after a success', async () => {
    const redis = dependency();
    for (let count = 0; count < 4; count++) {
      await fail(redis);
      await fail(redis);
      await redis.run(() => Promise.resolve());
    }
    expect(redis.state).toBe('closed');
  });
});
