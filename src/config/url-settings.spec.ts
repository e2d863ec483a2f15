import { describe, expect, test } from '@jest/globals';
import { complaintOf, REQUIRED } from '../../test/support/settings.js';
import { loadConfig } from './config.js';

describe('a setting that is a URL', () => {
  test.each<[string, string]>([
    ['https://CHAT.example.com:443/', 'https://chat.example.com'],
    ['http://localhost:8000//', 'http://localhost:8000'],
    ['http://[::1]:8000', 'http://[::1]:8000'],
    ['https://b\u00fccher.example', 'https://xn--bcher-kva.example'],
  ])('is the origin that clients see: PUBLIC_URL=%s', (value, origin) => {
    const { publicUrl, allowedOrigins } = loadConfig({ ...REQUIRED, PUBLIC_URL: value });
    expect([publicUrl, [...allowedOrigins]]).toEqual([origin, [origin]]);
  });

  test('may have a path where requests go below it', () => {
    expect(loadConfig({ ...REQUIRED, OLLAMA_URL: 'http://proxy.example/ollama' }).ollama.url).toBe(
      'http://proxy.example/ollama',
    );
  });

  test.each<[string, Record<string, string>, RegExp]>([
    [
      'a public path',
      { PUBLIC_URL: 'https://a.example/chat' },
      /^PUBLIC_URL: expected a URL without a path.*, got/m,
    ],
    [
      'a public query',
      { PUBLIC_URL: 'https://a.example?x=1' },
      /^PUBLIC_URL: expected a URL without "\?" and "#", got/m,
    ],
    [
      'a public fragment',
      { PUBLIC_URL: 'https://a.example/#x' },
      /^PUBLIC_URL: expected a URL without "\?" and "#", got/m,
    ],
    [
      'a public password',
      { PUBLIC_URL: 'https://me:hidden-word@a.example' },
      /^PUBLIC_URL: expected a URL without user and password, got/m,
    ],
    [
      'a public wildcard',
      { PUBLIC_URL: 'https://*.a.example' },
      /^PUBLIC_URL: expected the one host .*, got/m,
    ],
    [
      'a password of Ollama',
      { OLLAMA_URL: 'http://me:hidden-word@a.example' },
      /^OLLAMA_URL: expected a URL without user and password, got/m,
    ],
    [
      'a percent sign in a password',
      { DATABASE_URL: 'postgres://me:hidden-word%@db/x' },
      /^DATABASE_URL: expected .*percent-encoded.*, got/m,
    ],
    [
      'the same for Redis',
      { REDIS_URL: 'redis://me:hidden-word%@db' },
      /^REDIS_URL: expected .*percent-encoded.*, got/m,
    ],
  ])('is refused with %s', (_what, wrong, line) => {
    const complaint = complaintOf(() => loadConfig({ ...REQUIRED, ...wrong }));
    expect(complaint.split('\n').slice(1)).toEqual([expect.stringMatching(line)]);
    expect(complaint).not.toContain('hidden-word');
  });
});
