import type { ServerFrameOf } from '../../../protocol/messages.js';
import type { DeltaFrame } from './delta-backlog.js';
import { payloadOf } from './frame-encoding.js';

/** Length of the text before the type, which is the first member of every frame. */
const TYPE_START = '{"type":"'.length;

/** The attempt at a run that wrote a piece of text. Only the last attempt at a run may write. */
export interface Attempt {
  runId: string;
  attempt: number;
}

/** A frame for all sockets of a conversation, which share its bytes. */
export class SharedFrame {
  private parsed: DeltaFrame | null | undefined;
  private named: string | undefined;

  /**
   * @param seq set for durable events
   * @param bytes a whole WebSocket frame
   * @param writtenBy set for pieces of text
   */
  constructor(
    readonly seq: number | undefined,
    readonly bytes: Buffer,
    readonly writtenBy?: Attempt,
  ) {}

  /** Parsed once, when the first socket needs it. */
  get type(): string {
    return (this.named ??= typeIn(payloadOf(this.bytes)));
  }

  /** The frame as a delta, if it is one. Parsed once, when the first socket needs it. */
  get delta(): DeltaFrame | undefined {
    this.parsed ??= this.readDelta();
    return this.parsed ?? undefined;
  }

  /** The attempt that takes over, if this frame announces one. */
  get takeover(): Attempt | undefined {
    if (this.seq === undefined || this.type !== 'run.takeover') return undefined;
    const data = this.readData() as ServerFrameOf<'run.takeover'>['data'];
    return { runId: data.run_id, attempt: data.attempt };
  }

  /** Parses the frame and returns its data; the caller knows the type. */
  readData(): unknown {
    return this.read().data;
  }

  private readDelta(): DeltaFrame | null {
    return this.seq === undefined && this.type === 'message.delta' ? (this.read() as DeltaFrame) : null;
  }

  private read(): { data: unknown } {
    return JSON.parse(payloadOf(this.bytes).toString()) as { data: unknown };
  }
}

function typeIn(json: Buffer): string {
  return json.toString('latin1', TYPE_START, json.indexOf('"', TYPE_START));
}
