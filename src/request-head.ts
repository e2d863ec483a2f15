import type { IncomingMessage } from 'node:http';
import { AppError } from './errors/app-error.js';

/** What is wrong with the head of a request that Node's parser has taken, if anything. */
export function headFault({ httpVersion, headers, rawHeaders }: IncomingMessage): AppError | undefined {
  // RFC 9112 section 3.2: anything but one Host is 400. Node would send that without a body, and takes two.
  if (hostsIn(rawHeaders) > 1 || (headers.host === undefined && httpVersion !== '1.0'))
    return new AppError('validation_failed', { detail: 'expected one Host header' });
  // RFC 9110 section 10.1.1. Node itself answers 100-continue.
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    return new AppError('validation_failed', { status: 417, detail: 'expected no Expect but 100-continue' });
  return undefined;
}

function hostsIn(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') count += 1;
  return count;
}
