import { describe, expect, test } from '@jest/globals';
import { keyPair } from '../../test/support/key-pair.js';
import { REQUIRED } from '../../test/support/settings.js';
import { loadConfig } from './config.js';

describe('settings that contradict each other', () => {
  const [key] = [keyPair('ES256')];
  const pair = {
    JWT_PRIVATE_KEY: key.privatePem,
    JWT_PUBLIC_KEYS: JSON.stringify({ [key.kid]: key.publicPem }),
  };

  test.each<[string, Record<string, string>, RegExp[]]>([
    ['none', {}, []],
    ['a secret and a key pair', pair, [/^JWT_SECRET is not used: JWT_PRIVATE_KEY signs$/]],
    ['public keys alone', { JWT_PUBLIC_KEYS: pair.JWT_PUBLIC_KEYS }, [/^JWT_PUBLIC_KEYS is not used/]],
    [
      'tokens that outlive sessions',
      { ACCESS_TOKEN_TTL_SECONDS: '3600' },
      [/^ACCESS_TOKEN_TTL_SECONDS \(3600\)/],
    ],
    [
      'sessions that end too soon',
      { SESSION_TTL_SECONDS: '2000', SESSION_MAX_SECONDS: '1000' },
      [/^a session ends before/],
    ],
    [
      'more sockets of a session than of a user',
      { WS_MAX_CONNECTIONS_PER_USER: '4' },
      [/^WS_MAX_CONNECTIONS_PER_SESSION \(5\)/],
    ],
    [
      'a page that may not connect',
      { ALLOWED_ORIGINS: 'capacitor://localhost' },
      [/^ALLOWED_ORIGINS lacks http:\/\/localhost:8000/],
    ],
  ])('are named, and taken: %s', (_which, settings, words) => {
    const { warnings } = loadConfig({ ...REQUIRED, ...settings });
    expect(warnings).toEqual(words.map((word) => expect.stringMatching(word)));
  });
});
