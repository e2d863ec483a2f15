import { describe, expect, test } from '@jest/globals';
import { complaintOf, REQUIRED } from '../../test/support/settings.js';
import { loadConfig } from './config.js';

describe('an origin', () => {
  test.each([
    'https://chat.example.com',
    'http://192.168.0.7:8080',
    'http://[::1]:8000',
    'https://xn--bcher-kva.example',
    'capacitor://localhost',
    'ionic://localhost',
    'tauri://localhost',
    'http://tauri.localhost',
    'app://-',
    'app://obsidian.md',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'moz-extension://7d1f3c52-8a40-4f0e-9a57-0d4a6a0f0a11',
    'safari-web-extension://7D1F3C52-8A40-4F0E-9A57-0D4A6A0F0A11',
  ])('is taken as its client sends it: %s', (origin) => {
    const { allowedOrigins } = loadConfig({ ...REQUIRED, ALLOWED_ORIGINS: `https://a.example, ${origin}` });
    expect([...allowedOrigins]).toEqual(['https://a.example', origin]);
  });

  test.each<[string, string]>([
    ['*', 'has a wildcard'],
    ['https://*.example.com', 'has a wildcard'],
    ['https://chat.example.com:*', 'has a wildcard'],
    ['null', 'sandboxed pages of any site send'],
    ['file://', 'sandboxed pages of any site send'],
    ['https://a.example/', 'is sent as https://a.example'],
    ['https://a.example/chat', 'is sent as https://a.example'],
    ['https://me@a.example', 'is sent as https://a.example'],
    ['https://A.Example', 'is sent as https://a.example'],
    ['https://a.example:443', 'is sent as https://a.example'],
    ['http://a.example:80', 'is sent as http://a.example'],
    ['https://b\u00fccher.example', 'is sent as https://xn--bcher-kva.example'],
    ['capacitor://localhost/', 'is sent as capacitor://localhost'],
    ['Capacitor://localhost', 'is sent as capacitor://localhost'],
    ['app://', 'has no host'],
    ['wss://a.example', 'is the address of a socket'],
    ['data:text/html,x', 'is the origin of no page'],
    ['a.example', 'has no scheme or host'],
    ['localhost:8000', 'has no host'],
    ['https://a b.example', 'has no scheme or host'],
    ['https://a.example https://b.example', 'has no scheme or host'],
    ['https://a.example,', 'an entry is empty'],
    [',', 'an entry is empty'],
  ])('that could match nothing is refused, with the reason: %s', (origins, reason) => {
    const lines = complaintOf(() => loadConfig({ ...REQUIRED, ALLOWED_ORIGINS: origins }))
      .split('\n')
      .slice(1);
    expect(lines).toEqual([
      expect.stringMatching(/^ALLOWED_ORIGINS: expected origins as clients send them, .+, got "/),
    ]);
    expect(lines[0]).toContain(reason);
  });
});
