import type { DurableEventData, RunEnd, ServerFrame, ServerFrameData } from '../../protocol/messages.js';
import type { Problem } from '../../protocol/errors.js';
import type { Message, MessageStatus } from '../../protocol/resources.js';

export interface ToolUse {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly result?: { readonly output?: unknown; readonly error?: string };
}

export interface Takeover {
  readonly from: string;
  readonly to: string;
  /** Number of the attempt at the run; counts up. */
  readonly attempt: number;
}

export interface TranscriptMessage extends Readonly<Message> {
  readonly tools: readonly ToolUse[];
  /** Nodes that died while they wrote this message, and those that took it over. */
  readonly takeovers: readonly Takeover[];
  /** Why the answer failed. */
  readonly problem?: Problem;
}

/** What to do after a frame. `hole`: a piece of the text is missing. `ended`: the text can be checked. */
export type Outcome = { kind: 'hole'; messageId: string } | { kind: 'ended'; messageId: string; end: RunEnd };

/** The messages of one conversation, oldest first. Every change makes new objects, so that views can compare. */
export class Transcript {
  private list: readonly TranscriptMessage[] = [];
  /** An ended message whose snapshot has arrived: more of its text may follow in deltas, until its last event. */
  private begun: string | undefined;

  get messages(): readonly TranscriptMessage[] {
    return this.list;
  }

  find(id: string): TranscriptMessage | undefined {
    return this.list.find((message) => message.id === id);
  }

  /** Whether the answer of a run has begun. */
  hasRun(runId: string): boolean {
    return this.ofRun(runId) !== undefined;
  }

  clear(): void {
    this.list = [];
  }

  /** Takes messages from HTTP. During a run, the stored row is behind what the frames have brought. */
  put(messages: readonly Message[]): void {
    for (const message of messages) {
      const known = this.find(message.id);
      if (known === undefined) {
        this.list = [...this.list, { ...message, tools: [], takeovers: [] }];
      } else {
        const isBehind = message.status === 'streaming' && known.content.length > message.content.length;
        const { truncated: _, ...whole } = known;
        this.replace(known.id, isBehind ? known : { ...whole, ...message });
      }
    }
    this.list = this.list.toSorted((a, b) => a.seq - b.seq);
  }

  apply(frame: ServerFrame): Outcome | undefined {
    if (frame.type === 'message.delta') return this.append(frame.data);
    if (frame.type === 'run.completed') return this.end(frame.data, 'complete');
    if (frame.type === 'run.failed') return this.end(frame.data, 'failed');
    if (frame.type === 'run.cancelled') return this.end(frame.data, 'cancelled');
    if (frame.type === 'message.created') this.announce(frame.data.message);
    else if (frame.type === 'message.snapshot') this.replaceText(frame.data);
    else this.recall(frame);
    return undefined;
  }

  /** Everything except the texts: also applied from events that are older than the loaded messages. */
  recall(event: { type: string; data: unknown }): void {
    if (!isDetail(event)) return;
    switch (event.type) {
      case 'tool.call':
        this.beginTool(event.data);
        return;
      case 'tool.result':
        this.endTool(event.data);
        return;
      case 'run.takeover':
        this.takeOver(event.data);
        return;
      case 'run.failed':
        if (event.data.problem) this.update(event.data.message_id, { problem: event.data.problem });
        return;
    }
  }

  private announce(message: Message): void {
    // The event has the message as it was created, which is older than the known one, unless that was only a part.
    const known = this.find(message.id);
    if (known === undefined || known.truncated === true) this.put([message]);
  }

  private replaceText(snapshot: ServerFrameData['message.snapshot']): void {
    // A snapshot from before the end may arrive after it; an ended message does not start again.
    if (this.find(snapshot.message_id)?.status !== 'streaming') return;
    this.begun = snapshot.status === 'streaming' ? undefined : snapshot.message_id;
    this.update(snapshot.message_id, { content: snapshot.text, status: statusOf(snapshot.status) });
  }

  private append(delta: ServerFrameData['message.delta']): Outcome | undefined {
    const message = this.find(delta.message_id);
    if (message === undefined) return undefined;
    // An ended message is complete, so this delta is late, unless its snapshot was too long for one frame.
    if (message.status !== 'streaming' && message.id !== this.begun) return undefined;
    if (delta.offset > message.content.length) return { kind: 'hole', messageId: message.id };
    this.update(message.id, { content: message.content.slice(0, delta.offset) + delta.text });
    return undefined;
  }

  private end(end: RunEnd, status: MessageStatus): Outcome | undefined {
    this.begun = undefined;
    if (this.find(end.message_id) === undefined) return undefined;
    this.update(end.message_id, { status, ...(end.problem && { problem: end.problem }) });
    return { kind: 'ended', messageId: end.message_id, end };
  }

  private beginTool(call: DurableEventData['tool.call']): void {
    const message = this.ofRun(call.run_id);
    if (message === undefined) return;
    const known = message.tools.find((tool) => tool.id === call.tool_call_id);
    const tool: ToolUse = { ...known, id: call.tool_call_id, name: call.name, arguments: call.arguments };
    // Replaced when the first one was only a part.
    const others = message.tools.map((other) => (other === known ? tool : other));
    this.update(message.id, { tools: known === undefined ? [...others, tool] : others });
  }

  private endTool(result: DurableEventData['tool.result']): void {
    const message = this.ofRun(result.run_id);
    if (message === undefined) return;
    const outcome = result.error === undefined ? { output: result.output } : { error: result.error };
    const tools = message.tools.map((tool) =>
      tool.id === result.tool_call_id ? { ...tool, result: outcome } : tool,
    );
    this.update(message.id, { tools });
  }

  private takeOver(event: DurableEventData['run.takeover']): void {
    const message = this.find(event.message_id);
    const { from_node: from, to_node: to, attempt } = event;
    if (message === undefined || message.takeovers.some((takeover) => takeover.attempt === attempt)) return;
    this.update(message.id, { takeovers: [...message.takeovers, { from, to, attempt }] });
  }

  private ofRun(runId: string): TranscriptMessage | undefined {
    return this.list.find((message) => message.run_id === runId && message.role === 'assistant');
  }

  private update(id: string, change: Partial<TranscriptMessage>): void {
    const known = this.find(id);
    if (known !== undefined) this.replace(id, { ...known, ...change });
  }

  private replace(id: string, by: TranscriptMessage): void {
    this.list = this.list.map((message) => (message.id === id ? by : message));
  }
}

type Detail = {
  [T in 'tool.call' | 'tool.result' | 'run.takeover' | 'run.failed']: { type: T; data: DurableEventData[T] };
}['tool.call' | 'tool.result' | 'run.takeover' | 'run.failed'];

function isDetail(event: { type: string; data: unknown }): event is Detail {
  return ['tool.call', 'tool.result', 'run.takeover', 'run.failed'].includes(event.type);
}

function statusOf(status: string): MessageStatus {
  return status === 'complete' || status === 'failed' || status === 'cancelled' ? status : 'streaming';
}
