import type { ServerFrameData } from '../../../protocol/messages.js';
import type { SharedFrame } from '../socket/shared-frame.js';

/**
 * How much of each answer's text has been sent. While missed frames are read, live ones wait, and the text that is read
 * may already hold what waits: a client would cut its text back to the end of the older piece.
 */
export class ShownText {
  /** Length of the text in UTF-16 code units, by message. */
  private readonly lengths = new Map<string, number>();

  show(messageId: string, length: number): void {
    this.lengths.set(messageId, Math.max(length, this.lengths.get(messageId) ?? 0));
  }

  /** Whether to send a frame: false for text that ends before the text that was sent. */
  admits(frame: SharedFrame): boolean {
    // A node that takes a run over may continue before the end of what was sent.
    if (frame.takeover !== undefined) this.lengths.clear();
    const piece = pieceOf(frame);
    if (piece === undefined) return true;
    if (piece.end < (this.lengths.get(piece.messageId) ?? 0)) return false;
    this.show(piece.messageId, piece.end);
    return true;
  }
}

function pieceOf(frame: SharedFrame): { messageId: string; end: number } | undefined {
  if (frame.seq !== undefined) return undefined;
  if (frame.type === 'message.snapshot') {
    const { message_id: messageId, text } = frame.readData() as ServerFrameData['message.snapshot'];
    return { messageId, end: text.length };
  }
  const data = frame.delta?.data;
  return data && { messageId: data.message_id, end: data.offset + data.text.length };
}
