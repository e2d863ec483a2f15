import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ReplyError } from 'ioredis';
import { AppLogger } from '../observability/logger.js';
import { RefusalLogService } from '../observability/refusal-log.service.js';
import type { RedisClient } from './redis-client.js';
import { RedisReport } from './redis-report.js';

describe('RedisReport', () => {
  let client: EventEmitter;
  let report: RedisReport;
  let lines: { event: string; error?: string }[];

  const losses = () => lines.filter(({ event }) => event === 'redis.lost').map(({ error }) => error);
  /** The reply of a master that was replaced, after which the client connects again. */
  const giveUp = () =>
    report.toAppError(new ReplyError("READONLY You can't write against a read only replica."));

  beforeEach(() => {
    jest.useFakeTimers();
    [client, lines] = [new EventEmitter(), []];
    const write = (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]);
    const logger = new AppLogger({ logLevel: 'info', nodeName: 'n1' }, { write });
    report = new RedisReport(logger, new RefusalLogService(logger), () => undefined);
    report.watch(client as unknown as RedisClient, 'commands');
    client.emit('ready');
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('says that a connection is lost, once, and that it is back', () => {
    client.emit('close');
    client.emit('error', new Error('connect ECONNREFUSED'));
    client.emit('close');
    expect(losses()).toEqual(['connection closed']);
    client.emit('ready');
    expect(lines.at(-1)).toMatchObject({ event: 'redis.connected' });
  });

  it('says nothing of a connection that is given up because of a reply, unless the next one fails', () => {
    giveUp();
    client.emit('close');
    client.emit('ready');
    expect(losses()).toEqual([]);
    giveUp();
    client.emit('close');
    client.emit('error', new Error('connect ECONNREFUSED'));
    expect(losses()).toEqual(['connect ECONNREFUSED']);
  });

  it('says that a connection is lost later, also when the reply made only a part of a cluster connect again', () => {
    giveUp();
    jest.advanceTimersByTime(1000);
    client.emit('close');
    expect(losses()).toEqual(['connection closed']);
  });
});
