import { Injectable } from '@nestjs/common';
import type { PartialMessage } from '../../protocol/messages.js';
import type { AuthenticatedSocket } from '../websocket/authenticated-socket.js';
import { EventStore } from './event.store.js';
import { MessageStore } from './message.store.js';
import { roomToSend } from './paced-sending.js';
import { RunCheckpointStore } from './run-checkpoint.store.js';
import { RunStore } from './run.store.js';

const PAGE = 100;

/** Sends one socket what it has missed. */
@Injectable()
export class ReplayService {
  constructor(
    private readonly log: EventStore,
    private readonly messages: MessageStore,
    private readonly runs: RunStore,
    private readonly checkpoints: RunCheckpointStore,
  ) {}

  /** The events after `afterSeq` up to `lastSeq`, in order. */
  async events(
    socket: AuthenticatedSocket,
    conversationId: string,
    afterSeq: number,
    lastSeq: number,
  ): Promise<void> {
    for (let seq = afterSeq; seq < lastSeq && socket.readyState === socket.OPEN; seq += PAGE) {
      for (const event of await this.log.after(conversationId, seq, Math.min(PAGE, lastSeq - seq))) {
        await roomToSend(socket);
        socket.sendFrame(event);
      }
    }
  }

  /** The text of the answer in progress, and of those answers that ended while the client held a part of them. */
  async snapshots(
    socket: AuthenticatedSocket,
    conversationId: string,
    partials: readonly PartialMessage[],
  ): Promise<void> {
    const running = await this.runs.findRunning(conversationId);
    if (running !== undefined) {
      const text = await this.checkpoints.read(running.runId);
      send(socket, conversationId, running.runId, { id: running.messageId, text, status: 'streaming' });
    }
    const ended = partials.map(({ message_id }) => message_id).filter((id) => id !== running?.messageId);
    if (ended.length === 0) return;
    for (const { id, run_id = '', content: text, status } of await this.messages.endedAnswers(
      conversationId,
      ended,
    )) {
      await roomToSend(socket);
      send(socket, conversationId, run_id, { id, text, status });
    }
  }
}

function send(
  socket: AuthenticatedSocket,
  conversationId: string,
  runId: string,
  { id, text, status }: { id: string; text: string; status: string },
): void {
  const data = { run_id: runId, message_id: id, text, status };
  socket.sendFrame({ type: 'message.snapshot', conversation_id: conversationId, data });
}
