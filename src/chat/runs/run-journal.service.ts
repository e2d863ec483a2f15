import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { DurableEvent, RunEnd } from '../../../protocol/messages.js';
import type { Message } from '../../../protocol/resources.js';
import { Config } from '../../config/config.js';
import { FanOutService } from '../../websocket/fan-out/fan-out.service.js';
import { Responder, type ToolCall, type ToolOutcome } from '../../responder/contract/responder.js';
import { type Fence, type NewEvent, RunEventStore, type RunOutcome, type Stored } from './run-event.store.js';
import { RunAnnouncementService } from './run-announcement.service.js';
import { runEnd, STATUSES } from './run-end.js';
import { RunStopped } from './run-lease.js';
import type { ClaimedRun } from './run.store.js';
import { redisNow } from '../../redis/redis-clock.js';

type Outcome = Pick<RunEnd, 'finish_reason' | 'usage' | 'problem'>;

/**
 * Records the events of a run: stores them, and publishes them after the commit.
 * Each method throws `RunStopped` when the attempt has ended: another node took over, or the conversation is deleted.
 */
@Injectable()
export class RunJournalService {
  constructor(
    private readonly store: RunEventStore,
    private readonly announcements: RunAnnouncementService,
    private readonly fanOut: FanOutService,
    private readonly responder: Responder,
    private readonly config: Config,
  ) {}

  /** Starts the answer. Returns the id of its message. */
  async start(run: ClaimedRun): Promise<string> {
    const message = emptyAnswer(run, randomUUID());
    const { id: responder, model } = this.responder;
    const started = {
      run_id: run.id,
      message_id: message.id,
      responder,
      ...(model !== undefined && { model }),
    };
    const events: NewEvent[] = [
      { type: 'message.created', data: { message } },
      { type: 'run.started', data: started },
    ];
    const stored = await this.store.start(run, message.id, { at: message.created_at, events });
    this.publish(stored?.events);
    return message.id;
  }

  async takeOver(run: ClaimedRun, messageId: string, offset: number): Promise<void> {
    await this.append(run, {
      type: 'run.takeover',
      data: {
        run_id: run.id,
        message_id: messageId,
        from_node: run.fromNode ?? '',
        to_node: this.config.nodeName,
        offset,
        attempt: run.attempt,
      },
    });
  }

  async callTool(run: ClaimedRun, call: ToolCall): Promise<void> {
    const { id: tool_call_id, name } = call;
    await this.append(run, {
      type: 'tool.call',
      data: { run_id: run.id, tool_call_id, name, arguments: call.arguments },
    });
  }

  async toolResult(run: ClaimedRun, toolCallId: string, outcome: ToolOutcome): Promise<void> {
    await this.append(run, {
      type: 'tool.result',
      data: { run_id: run.id, tool_call_id: toolCallId, ...outcome },
    });
  }

  /**
   * Ends the run. `messageId` is undefined if its answer never began. Returns whether another run of the user waits.
   * @param beforePublish called after the commit, before the event is published
   */
  async end(
    run: ClaimedRun,
    answer: { messageId: string | undefined; text: string },
    outcome: Outcome,
    beforePublish?: () => void,
  ): Promise<boolean> {
    const { messageId, text } = answer;
    const end = runEnd({ runId: run.id, messageId: messageId ?? randomUUID(), text }, outcome);
    const stored =
      messageId === undefined
        ? await this.storeUnstarted(run, 'running', text, end)
        : await this.store.end(run, outcomeOf(end, text), {
            at: new Date(redisNow()).toISOString(),
            events: [endEvent(end)],
          });
    // If nothing was stored, an earlier attempt may have stored it and its reply was lost.
    const events = stored?.events ?? (await this.announcements.endOf(run.id, run.attempt));
    beforePublish?.();
    this.publish(events);
    this.announcements.confirm(run.id);
    return stored?.isAwaited ?? true;
  }

  /** Ends a run that no node has claimed. Returns `undefined` if one has, or if the run has ended. */
  async cancelQueued(run: Fence & { questionId: string }): Promise<RunEnd | undefined> {
    const end = runEnd({ runId: run.id, messageId: randomUUID(), text: '' }, { finish_reason: 'cancelled' });
    const stored = await this.storeUnstarted(run, 'queued', '', end);
    if (stored === undefined) return undefined;
    this.publish(stored.events);
    this.announcements.confirm(run.id);
    return end;
  }

  private storeUnstarted(
    run: Fence & { questionId: string },
    from: 'queued' | 'running',
    text: string,
    end: RunEnd,
  ): Promise<Stored | undefined> {
    const outcome = outcomeOf(end, text);
    const message = { ...emptyAnswer(run, end.message_id), status: outcome.messageStatus };
    const events: NewEvent[] = [{ type: 'message.created', data: { message } }, endEvent(end)];
    return this.store.end(run, outcome, { at: message.created_at, events }, from);
  }

  private async append(run: ClaimedRun, event: NewEvent): Promise<void> {
    const stored = await this.store.append(run, { at: new Date(redisNow()).toISOString(), events: [event] });
    this.publish(stored?.events);
  }

  private publish(events: DurableEvent[] | undefined): void {
    if (events === undefined) throw new RunStopped('lost');
    for (const event of events) this.fanOut.publish(event);
  }
}

function outcomeOf(end: RunEnd, content: string): RunOutcome {
  return { ...STATUSES[end.finish_reason], content, end };
}

function endEvent(end: RunEnd): NewEvent {
  switch (end.finish_reason) {
    case 'stop':
    case 'length':
      return { type: 'run.completed', data: end };
    case 'cancelled':
      return { type: 'run.cancelled', data: end };
    case 'error':
      return { type: 'run.failed', data: end };
  }
}

function emptyAnswer(run: { id: string; questionId: string }, messageId: string): Message {
  return {
    id: messageId,
    role: 'assistant',
    content: '',
    status: 'streaming',
    seq: 0,
    run_id: run.id,
    parent_id: run.questionId,
    created_at: new Date(redisNow()).toISOString(),
  };
}
