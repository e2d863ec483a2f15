import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { WebSocket, WebSocketServer } from 'ws';
import { listen, ticketServer } from './peer-http.js';
import { readAnswer } from './peer-model.js';
import { SETTINGS } from './peer-settings.js';
import { type PeerSession, redeemTicket } from './peer-ticket.js';

/**
 * The least that Node needs for the product's flow: node:http, ws and ioredis, without a framework. It speaks the
 * product's frames, stores nothing, and knows neither receipts nor limits, audit, metrics or logs.
 */

const MAX_FRAME_BYTES = 64 * 1024;
const HEARTBEAT_MS = 30_000;
const CHANNEL = 'bench:conversations';

interface Peer extends WebSocket {
  isAlive: boolean;
  conversations: Set<Peer>[];
}

interface Frame {
  type: string;
  id: string;
  data: { t?: string; conversation_id: string; content: string };
}

const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
const watchers = new Map<string, Set<Peer>>();
const server = ticketServer();

server.on('upgrade', (request, socket, head) => {
  const refuse = (status: string): void => {
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  };
  // Without a listener a client that resets the connection ends the process.
  socket.on('error', () => socket.destroy());
  redeemTicket(request.url).then(
    (session) => {
      if (session === undefined) refuse('403 Forbidden');
      else sockets.handleUpgrade(request, socket, head, (peer) => greet(peer as Peer, session));
    },
    () => refuse('503 Service Unavailable'),
  );
});

function greet(peer: Peer, session: PeerSession): void {
  peer.isAlive = true;
  peer.conversations = [];
  peer.on('message', receive);
  peer.on('pong', stayAlive);
  peer.on('close', leave);
  peer.on('error', () => peer.terminate());
  const { user_id, session_id } = session;
  peer.send(JSON.stringify({ type: 'ready', data: { user_id, session_id, heartbeat_ms: HEARTBEAT_MS } }));
}

function receive(this: WebSocket, bytes: Buffer): void {
  const peer = this as Peer;
  const { type, id, data } = JSON.parse(bytes.toString()) as Frame;
  if (type === 'ping') peer.send(JSON.stringify({ type: 'pong', re: id, data }));
  else if (type === 'subscribe') {
    watch(peer, data.conversation_id);
    peer.send(JSON.stringify({ type: 'subscribed', re: id, data }));
  } else if (type === 'message.send') answer(data.conversation_id, data.content);
}

function watch(peer: Peer, conversationId: string): void {
  let those = watchers.get(conversationId);
  if (those === undefined) watchers.set(conversationId, (those = new Set()));
  those.add(peer);
  peer.conversations.push(those);
}

function answer(conversationId: string, question: string): void {
  const ids = { run_id: randomUUID(), message_id: randomUUID() };
  let offset = 0;
  const tell = (type: string, data: object): void =>
    publish(
      conversationId,
      JSON.stringify({ type, conversation_id: conversationId, data: { ...ids, ...data } }),
    );
  const onText = (text: string): void => {
    tell('message.delta', { offset, text });
    offset += text.length;
  };
  readAnswer(question, onText, () => tell('run.completed', { length: offset }));
}

function deliver(conversationId: string, frame: Buffer): void {
  for (const peer of watchers.get(conversationId) ?? []) {
    if (peer.readyState === WebSocket.OPEN) peer.send(frame, { binary: false });
  }
}

const publish = SETTINGS.nodes === 1 ? deliverHere : await publishToAll();

function deliverHere(conversationId: string, frame: string): void {
  deliver(conversationId, Buffer.from(frame));
}

async function publishToAll(): Promise<typeof deliverHere> {
  const [publisher, subscriber] = [new Redis(SETTINGS.redisUrl), new Redis(SETTINGS.redisUrl)];
  await subscriber.subscribe(CHANNEL);
  subscriber.on('message', (_channel: string, message: string) => {
    const end = message.indexOf(' ');
    deliverHere(message.slice(0, end), message.slice(end + 1));
  });
  return (conversationId, frame) => void publisher.publish(CHANNEL, `${conversationId} ${frame}`);
}

function stayAlive(this: WebSocket): void {
  (this as Peer).isAlive = true;
}

function leave(this: WebSocket): void {
  const peer = this as Peer;
  for (const those of peer.conversations) those.delete(peer);
}

setInterval(() => {
  for (const peer of sockets.clients as Set<Peer>) {
    if (!peer.isAlive) peer.terminate();
    else {
      peer.isAlive = false;
      peer.ping();
    }
  }
}, HEARTBEAT_MS);

listen(server);
