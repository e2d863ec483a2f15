import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { runEnd } from './run-end.js';

describe('runEnd', () => {
  it('counts UTF-16 code units and hashes the UTF-8 bytes', () => {
    const text = 'grüße 😀';
    const end = runEnd({ runId: 'r', messageId: 'm', text }, { finish_reason: 'stop' });
    const sha256 = createHash('sha256').update(Buffer.from(text)).digest('hex');
    expect(end).toEqual({ run_id: 'r', message_id: 'm', finish_reason: 'stop', length: 8, sha256 });
  });

  it('gives an empty text the SHA-256 of no bytes', () => {
    const end = runEnd({ runId: 'r', messageId: 'm', text: '' }, { finish_reason: 'cancelled' });
    expect(end.sha256).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(end.length).toBe(0);
  });

  it('includes usage and problem if there are any', () => {
    const usage = { completion_tokens: 3 };
    expect(runEnd({ runId: 'r', messageId: 'm', text: 'x' }, { finish_reason: 'length', usage }).usage).toBe(
      usage,
    );
  });
});
