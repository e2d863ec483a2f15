import { describe, expect, test } from '@jest/globals';
import { complaintOf, REQUIRED } from '../../test/support/settings.js';
import { loadConfig } from './config.js';

describe('a list of proxies', () => {
  test.each<[string, unknown]>([
    ['0', 0],
    ['100', 100],
    ['127.0.0.1', ['127.0.0.1']],
    ['loopback, 10.0.0.0/8,fd00::/8', ['loopback', '10.0.0.0/8', 'fd00::/8']],
    ['10.0.0.0/255.0.0.0', ['10.0.0.0/255.0.0.0']],
  ])('is read: %s', (value, trust) => {
    expect(loadConfig({ ...REQUIRED, TRUST_PROXY: value }).trustProxy).toEqual(trust);
  });

  test.each([
    '101',
    '16.5',
    '0x10',
    'TRUE',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '10.0.0.0/8/8',
    '10.0.0.1,',
    '10.0.0.0/255.0.255.0',
    'fd00::/129',
  ])('that has anything else is refused: %s', (value) => {
    const expected =
      /^TRUST_PROXY: expected true, false, a number of proxies up to 100, or a list .*, got "/m;
    expect(complaintOf(() => loadConfig({ ...REQUIRED, TRUST_PROXY: value }))).toMatch(expected);
  });
});
