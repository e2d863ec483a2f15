import { describe, expect, it } from '@jest/globals';
import * as library from 'ws';
import { encodeTextFrame, encodeUtf8Frame } from './frame-encoding.js';

/** What the library's own receiver makes of the bytes. */
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

describe('a frame of ours', () => {
  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])(
    'of %i bytes is read as it was written',
    async (length) => {
      const text = 'x'.repeat(length);
      expect(await read(encodeTextFrame(text))).toBe(`false:${text}`);
      expect(encodeUtf8Frame(Buffer.from(text))).toEqual(encodeTextFrame(text));
    },
  );

  it('counts bytes and not characters', async () => {
    const text = '€🙂'.repeat(30);
    expect(await read(encodeTextFrame(text))).toBe(`false:${text}`);
  });
});
