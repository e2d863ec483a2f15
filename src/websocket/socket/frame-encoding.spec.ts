import { describe, expect, it } from '@jest/globals';
import * as library from 'ws';
import { encodeTextFrame, encodeUtf8Frame } from './frame-encoding.js';

/** Reads the bytes with the library's own receiver. */
async function read(frame: Buffer): Promise<string> {
  const { Receiver } = library as unknown as { Receiver: new (options: object) => NodeJS.WritableStream };
  const receiver = new Receiver({ isServer: false });
  return new Promise((resolve, reject) => {
    receiver.on('message', (data: Buffer, isBinary: boolean) =>
      resolve(`${String(isBinary)}:${data.toString()}`),
    );
    receiver.on('error', reject);
    receiver.write(frame);
  });
}

describe('encodeTextFrame', () => {
  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])(
    'encodes %i bytes so that the library reads the same text',
    async (length) => {
      const text = 'x'.repeat(length);
      expect(await read(encodeTextFrame(text))).toBe(`false:${text}`);
      expect(encodeUtf8Frame(Buffer.from(text))).toEqual(encodeTextFrame(text));
    },
  );

  it('writes the length in bytes, not characters', async () => {
    const text = '€🙂'.repeat(30);
    expect(await read(encodeTextFrame(text))).toBe(`false:${text}`);
  });
});
