import { describe, expect, it } from '@jest/globals';
import { deviceOf } from './device.js';

const MOZILLA = 'Mozilla/5.0';
const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0';

describe('deviceOf', () => {
  it.each([
    [`${MOZILLA} (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0`, 'Firefox on Linux'],
    [`${MOZILLA} (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36`, 'Chrome on Windows'],
    [`${MOZILLA} (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36 Edg/140.0`, 'Edge on Windows'],
    [`${MOZILLA} (Linux; Android 15) ${CHROME} Mobile Safari/537.36`, 'Chrome on Android'],
    [`${MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15`, 'Safari on macOS'],
    [`${MOZILLA} (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1`, 'Safari on iPhone'],
    ['curl/8.5.0', 'curl'],
    ['node', 'node'],
    [`${'x'.repeat(100)}/1`, 'x'.repeat(40)],
    ['', 'unknown device'],
    ['<script>', 'unknown device'],
  ])('names %j as %j', (userAgent, device) => expect(deviceOf(userAgent)).toBe(device));
});
