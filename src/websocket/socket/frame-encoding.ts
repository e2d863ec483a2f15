/** First byte of an unfragmented text frame (RFC 6455 section 5.2): FIN, opcode 1. */
const FIN_TEXT = 0x81;

/**
 * Returns one unmasked text frame as bytes. It is encoded here, not by the library's sender, so that a broadcast is
 * encoded once for all sockets.
 */
export function encodeTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const headerLength = headerLengthOf(length);
  const frame = Buffer.allocUnsafe(headerLength + length);
  writeHeader(frame, length);
  frame.write(text, headerLength, 'utf8');
  return frame;
}

/** Like `encodeTextFrame`, for a text that is already UTF-8. */
export function encodeUtf8Frame(payload: Uint8Array): Buffer {
  const headerLength = headerLengthOf(payload.length);
  const frame = Buffer.allocUnsafe(headerLength + payload.length);
  writeHeader(frame, payload.length);
  frame.set(payload, headerLength);
  return frame;
}

/** Returns the text of a frame made by one of the functions above. */
export function payloadOf(frame: Buffer): Buffer {
  const short = frame[1]!;
  if (short < 126) return frame.subarray(2);
  return frame.subarray(short === 126 ? 4 : 10);
}

function headerLengthOf(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(frame: Buffer, length: number): void {
  frame[0] = FIN_TEXT;
  if (length < 126) {
    frame[1] = length;
  } else if (length < 65_536) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
}
