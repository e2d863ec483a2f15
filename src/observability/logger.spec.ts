import { describe, expect, it } from '@jest/globals';
import { AppLogger, redactText } from './logger.js';

function written(write: (logger: AppLogger) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  const logger = new AppLogger(
    { logLevel: 'info', nodeName: 'n1' },
    { write: (line) => void lines.push(line) },
  );
  write(logger);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('redactText', () => {
  it.each([
    ['GET /ws?ticket=abc-DEF_1&x=2', 'GET /ws?ticket=[redacted]&x=2'],
    ['?session_token=abc', '?session_token=[redacted]'],
    ['authorization: Bearer abc.def-1', 'authorization: Bearer [redacted]'],
    ['chat.v1, Bearer.abc', 'chat.v1, Bearer.[redacted]'],
    ['token eyJhbGciOiJub25lIn0.e30. ends', 'token [redacted] ends'],
    ['nothing to hide', 'nothing to hide'],
  ])('makes %s into %s', (line, redacted) => expect(redactText(line)).toBe(redacted));
});

describe('AppLogger', () => {
  it('writes one JSON line per event, with node, level and time', () => {
    const [line] = written((logger) => logger.info('ticket.issued', { ticket_id: 'tkt_1' }));
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/Z$/),
      node: 'n1',
      event: 'ticket.issued',
      ticket_id: 'tkt_1',
    });
  });

  it('marks the lines that somebody must look at', () => {
    const [line] = written((logger) => logger.critical('redis.lost'));
    expect(line).toMatchObject({ level: 'error', severity: 'CRITICAL', event: 'redis.lost' });
  });

  it('redacts fields with the name of a credential, also one level down', () => {
    const fields = { password: 'p1', ticket: 't1', request: { authorization: 'a1', cookie: 'c1' } };
    const text = JSON.stringify(written((logger) => logger.warn('x', fields)));
    for (const secret of ['p1', 't1', 'a1', 'c1']) expect(text).not.toContain(`"${secret}"`);
  });

  it('escapes line breaks, so that nobody can forge a line', () => {
    const lines = written((logger) => logger.info('x', { text: 'a\n{"event":"forged"}' }));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.event).toBe('x');
  });
});
