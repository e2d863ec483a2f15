import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseRedisUrl } from '../config/redis-address.js';
import { commandClient, subscriberClient } from './redis-client.js';

describe('a connection to Redis by the scheme', () => {
  let server: Server;
  let port: number;
  let clients: { disconnect(): void }[];
  let accepted: Socket[];

  beforeEach(async () => {
    [clients, accepted] = [[], []];
    server = createServer((socket) => void accepted.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });

  afterEach(async () => {
    for (const client of clients) client.disconnect();
    for (const socket of accepted) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  it.each(['redis', 'redis+cluster'])('%s survives a second error of its stream', async (scheme) => {
    const address = parseRedisUrl(`${scheme}://127.0.0.1:${port}`);
    const commands = commandClient(address);
    const subscriber = subscriberClient(address, commands);
    clients.push(commands, subscriber);
    commands.on('error', () => undefined);
    const told: string[] = [];
    subscriber.on('error', ({ message }: Error) => told.push(message));
    await once(subscriber, 'connect');
    const { stream } = subscriber;
    for (const message of ['first', 'second']) stream.emit('error', new Error(message));
    expect(told).toEqual(['first']);
  });
});
