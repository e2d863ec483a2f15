import type { ServerFrameOf } from '../../../protocol/messages.js';
import type { DeltaFrame } from './delta-backlog.js';
import { payloadOf } from './frame-encoding.js';

/** What stands before the type, which is the first member of every frame. */
const TYPE_START = '{"type":"'.length;

/** Who has written a piece of text: of the attempts at one run the last one alone may. */
export interface Attempt {
  runId: string;
  attempt: number;
}

/** A frame on its way to the sockets of a conversation, which all get the same bytes. */
export class SharedFrame {
  private parsed: DeltaFrame | null | undefined;
  private named: string | undefined;

  /**
   * @param seq of durable events
   * @param bytes a whole WebSocket frame
   * @param writtenBy of pieces of text
   */
  constructor(
    readonly seq: number | undefined,
    readonly bytes: Buffer,
    readonly writtenBy?: Attempt,
  ) {}

  /** Read when the first socket needs it, once for all of them. */
  get type(): string {
    return (this.named ??= typeIn(payloadOf(this.bytes)));
  }

  /** The delta that it is, if it is one. Read when a socket needs it, once for all of them. */
  get delta(): DeltaFrame | undefined {
    this.parsed ??= this.readDelta();
    return this.parsed ?? undefined;
  }

  /** The attempt that takes over with this frame, if one does. */
  get takeover(): Attempt | undefined {
    if (this.seq === undefined || this.type !== 'run.takeover') return undefined;
    const { data } = JSON.parse(payloadOf(this.bytes).toString()) as ServerFrameOf<'run.takeover'>;
    return { runId: data.run_id, attempt: data.attempt };
  }

  private readDelta(): DeltaFrame | null {
    if (this.seq !== undefined || this.type !== 'message.delta') return null;
    return JSON.parse(payloadOf(this.bytes).toString()) as DeltaFrame;
  }
}

function typeIn(json: Buffer): string {
  return json.toString('latin1', TYPE_START, json.indexOf('"', TYPE_START));
}
