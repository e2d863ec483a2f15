import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { listen, ticketServer } from './peer-http.js';
import { readAnswer } from './peer-model.js';
import { SETTINGS } from './peer-settings.js';
import { type PeerSession, redeemTicket } from './peer-ticket.js';

/** The same flow in Socket.IO 4 with its Redis adapter: the ticket is taken before the upgrade, in `allowRequest`. */

const MAX_FRAME_BYTES = 64 * 1024;
const HEARTBEAT_MS = 30_000;

interface Question {
  conversation_id: string;
  content: string;
}

const admitted = new WeakMap<IncomingMessage, PeerSession>();
const server = ticketServer();
const publisher = new Redis(SETTINGS.redisUrl);
const io = new Server(server, {
  serveClient: false,
  transports: ['websocket'],
  pingInterval: HEARTBEAT_MS,
  maxHttpBufferSize: MAX_FRAME_BYTES,
  adapter: createAdapter(publisher, publisher.duplicate()),
  allowRequest: (request, decide) => {
    redeemTicket(request.url).then(
      (session) => {
        if (session !== undefined) admitted.set(request, session);
        decide(session === undefined ? 'ticket_rejected' : undefined, session !== undefined);
      },
      () => decide('dependency_unavailable', false),
    );
  },
});

io.on('connection', (socket) => {
  const session = admitted.get(socket.request);
  socket.emit('ready', {
    user_id: session?.user_id,
    session_id: session?.session_id,
    heartbeat_ms: HEARTBEAT_MS,
  });
  socket.on('ping', (data: object) => socket.emit('pong', data));
  socket.on('subscribe', async (data: Question) => {
    await socket.join(data.conversation_id);
    socket.emit('subscribed', data);
  });
  socket.on('message.send', ({ conversation_id, content }: Question) => answer(conversation_id, content));
});

function answer(conversationId: string, question: string): void {
  const ids = { run_id: randomUUID(), message_id: randomUUID() };
  let offset = 0;
  const tell = (type: string, data: object): void =>
    void io.to(conversationId).emit(type, { conversation_id: conversationId, ...ids, ...data });
  const onText = (text: string): void => {
    tell('message.delta', { offset, text });
    offset += text.length;
  };
  readAnswer(question, onText, () => tell('run.completed', { length: offset }));
}

listen(server);
