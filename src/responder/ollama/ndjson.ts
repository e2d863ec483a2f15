import { isUtf8 } from 'node:buffer';
import { MalformedStreamError } from '../model/model-reply.js';

const LINE_FEED = 0x0a;

/**
 * Splits a byte stream into JSON values, one per line (newline-delimited JSON). Splitting bytes and decoding whole
 * lines never breaks a character, since no byte of a multi-byte UTF-8 sequence is a line feed.
 */
export class NdjsonLines {
  private readonly pending: Buffer[] = [];
  private pendingBytes = 0;

  /** @param maxLineBytes a longer line is an error, so that a broken server cannot fill the memory */
  constructor(private readonly maxLineBytes: number) {}

  /** Yields the values of the lines that this chunk completes, one by one. @throws MalformedStreamError */
  *push(chunk: Buffer): Generator<unknown, void> {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.hold(chunk.subarray(start, end));
      yield* this.end();
      start = end + 1;
    }
    if (start < chunk.length) this.hold(chunk.subarray(start));
  }

  /** Yields the value of a last line without a line feed at the end of the stream. @throws MalformedStreamError */
  *end(): Generator<unknown, void> {
    const [first] = this.pending;
    if (first === undefined) return;
    const line = this.pending.length === 1 ? first : Buffer.concat(this.pending, this.pendingBytes);
    this.pending.length = 0;
    this.pendingBytes = 0;
    const value = parseLine(line);
    if (value !== undefined) yield value;
  }

  private hold(bytes: Buffer): void {
    this.pendingBytes += bytes.length;
    if (this.pendingBytes > this.maxLineBytes) {
      throw new MalformedStreamError(
        `expected lines of at most ${this.maxLineBytes} bytes, a longer one came`,
      );
    }
    this.pending.push(bytes);
  }
}

/** `undefined` for an empty line, which a reader of newline-delimited JSON may skip. */
function parseLine(line: Buffer): unknown {
  if (!isUtf8(line)) throw new MalformedStreamError('expected a line of UTF-8, other bytes came');
  const text = line.toString('utf8').trim();
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new MalformedStreamError('expected a line of JSON, something else came', { cause: error });
  }
}
