import { createParser } from 'eventsource-parser';
import { MalformedStreamError } from '../model/model-reply.js';

/** A longer event is an error, so that a broken server cannot fill the memory. UTF-16 code units. */
const MAX_EVENT_LENGTH = 1024 * 1024;

/** Splits a stream of server-sent events into the data of each, wherever characters, lines and events are cut. */
export class SseData {
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private ready: string[] = [];
  private readonly parser = createParser({
    maxBufferSize: MAX_EVENT_LENGTH,
    onEvent: ({ data }) => void this.ready.push(data),
    onError: ({ type }) => {
      if (type !== 'max-buffer-size-exceeded') return;
      throw new MalformedStreamError(
        `expected events of at most ${MAX_EVENT_LENGTH} characters, a longer one came`,
      );
    },
  });

  /** The data of the events that this chunk completes. @throws MalformedStreamError */
  push(chunk: Buffer): string[] {
    return this.feed(this.decode(chunk, true));
  }

  /** The data of a last event without an empty line after it. @throws MalformedStreamError */
  end(): string[] {
    return this.feed(`${this.decode(Buffer.alloc(0), false)}\n\n`);
  }

  private feed(text: string): string[] {
    this.parser.feed(text);
    const { ready } = this;
    this.ready = [];
    return ready;
  }

  private decode(chunk: Buffer, isMore: boolean): string {
    try {
      return this.decoder.decode(chunk, { stream: isMore });
    } catch (error) {
      throw new MalformedStreamError('expected events of UTF-8, other bytes came', { cause: error });
    }
  }
}
