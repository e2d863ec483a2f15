import { Injectable } from '@nestjs/common';
import type { DurableEvent, PartialMessage } from '../../../protocol/messages.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';
import type { Missed } from '../../websocket/fan-out/conversation-channel.js';
import { ShownText } from '../../websocket/fan-out/shown-text.js';
import type { FrameReply } from '../../websocket/socket/frame-reply.js';
import { EventStore } from '../history/event.store.js';
import { MessageStore } from '../history/message.store.js';
import { roomToSend, sendPaced } from './paced-sending.js';
import { RunCheckpointStore } from '../answers/run-checkpoint.store.js';
import { ProgressReplayService } from './progress-replay.service.js';
import { RunStore } from '../runs/run.store.js';

const PAGE = 100;
/** How many events are read for sockets whose position is unknown. */
const MAX_MISSED = 1000;
/** How far the clocks of two nodes may differ. */
const CLOCK_MARGIN_MS = 5000;

/** Sends one socket what it has missed. */
@Injectable()
export class ReplayService {
  constructor(
    private readonly log: EventStore,
    private readonly messages: MessageStore,
    private readonly runs: RunStore,
    private readonly checkpoints: RunCheckpointStore,
    private readonly progressReplay: ProgressReplayService,
  ) {}

  /**
   * Frames that no socket of this node has received: the events, with an answer's whole text before the event that ends
   * it, and finally the text of the answer in progress.
   */
  async missed(conversationId: string, missed: Missed): Promise<FrameReply[]> {
    const events =
      'sinceMs' in missed
        ? await this.log.since(conversationId, new Date(missed.sinceMs - CLOCK_MARGIN_MS), MAX_MISSED)
        : await this.log.after(conversationId, missed.fromSeq - 1, missed.toSeq - missed.fromSeq + 1);
    const texts = new Map<string, FrameReply>();
    for (const answer of await this.messages.endedAnswers(conversationId, endedIn(events))) {
      texts.set(
        answer.id,
        toSnapshot(conversationId, answer.run_id ?? '', answer.id, answer.content, answer.status),
      );
    }
    const frames = events.flatMap((event): FrameReply[] => {
      const text = texts.get(endOf(event) ?? '');
      return text === undefined ? [event] : [text, event];
    });
    const running = await this.inProgress(conversationId);
    return running === undefined ? frames : [...frames, running.frame];
  }

  /**
   * Sends one socket the frames of `missed` since a time in milliseconds since the epoch.
   * @returns the texts that were sent
   */
  async since(socket: AuthenticatedSocket, conversationId: string, sinceMs: number): Promise<ShownText> {
    const shown = new ShownText();
    for (const frame of await this.missed(conversationId, { sinceMs })) {
      await sendPaced(socket, frame);
      if (frame.type === 'message.snapshot') shown.show(frame.data.message_id, frame.data.text.length);
    }
    return shown;
  }

  /** Sends which runs of the conversation are waiting, and their positions in the queue. */
  async progress(socket: AuthenticatedSocket, conversationId: string): Promise<void> {
    for (const frame of await this.progressReplay.waitingIn(conversationId)) socket.sendFrame(frame);
  }

  /** Sends the events after `afterSeq` up to `lastSeq`, in order. */
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

  /**
   * Sends the text of the answer in progress, and of ended answers of which the client holds only a part.
   * @returns the text of the answer in progress that was sent
   */
  async snapshots(
    socket: AuthenticatedSocket,
    conversationId: string,
    partials: readonly PartialMessage[],
  ): Promise<ShownText> {
    const shown = new ShownText();
    const running = await this.inProgress(conversationId);
    if (running !== undefined) {
      await sendPaced(socket, running.frame);
      shown.show(running.messageId, running.length);
      if (running.progress !== undefined) socket.sendFrame(running.progress);
    }
    const ended = partials.map(({ message_id }) => message_id).filter((id) => id !== running?.messageId);
    if (ended.length === 0) return shown;
    for (const { id, run_id = '', content, status } of await this.messages.endedAnswers(
      conversationId,
      ended,
    )) {
      await sendPaced(socket, toSnapshot(conversationId, run_id, id, content, status));
    }
    return shown;
  }

  private async inProgress(
    conversationId: string,
  ): Promise<
    { messageId: string; length: number; frame: FrameReply; progress: FrameReply | undefined } | undefined
  > {
    const running = await this.runs.findRunning(conversationId);
    if (running === undefined) return undefined;
    const { runId, messageId } = running;
    const [text, progress] = await Promise.all([
      this.checkpoints.read(runId),
      this.progressReplay.ofRunning(runId),
    ]);
    const frame = toSnapshot(conversationId, runId, messageId, text, 'streaming');
    return { messageId, length: text.length, frame, progress };
  }
}

function toSnapshot(
  conversationId: string,
  runId: string,
  messageId: string,
  text: string,
  status: string,
): FrameReply {
  const data = { run_id: runId, message_id: messageId, text, status };
  return { type: 'message.snapshot', conversation_id: conversationId, data };
}

function endedIn(events: readonly DurableEvent[]): string[] {
  return events.flatMap((event) => endOf(event) ?? []);
}

/** The id of the answer that an event ends. */
function endOf(event: DurableEvent): string | undefined {
  const isEnd =
    event.type === 'run.completed' || event.type === 'run.failed' || event.type === 'run.cancelled';
  return isEnd ? event.data.message_id : undefined;
}
