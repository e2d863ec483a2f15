import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { readNewPassword } from './password-input.js';

/** A terminal at which somebody types, and what is shown there. */
function terminal() {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const questions = new PassThrough();
  const shown = () => String(questions.read() ?? '');
  return { input, questions, shown, password: readNewPassword(input, questions) };
}

describe('a password that is typed', () => {
  it('is asked for twice and not shown', async () => {
    const { input, shown, password } = terminal();
    input.write('right horse battery\r');
    input.write('right horse battery\r');
    await expect(password).resolves.toBe('right horse battery');
    expect(shown()).toBe('Password: \nThe same again: \n');
  });

  it('is taken whole when both lines arrive at once', async () => {
    const { input, password } = terminal();
    input.write('right horse battery\rright horse battery\r');
    await expect(password).resolves.toBe('right horse battery');
  });

  it('is refused when the second one differs', async () => {
    const { input, password } = terminal();
    input.write('right horse battery\rright house battery\r');
    await expect(password).rejects.toThrow('expected the same password twice, got two different ones');
  });

  it('is refused when the terminal does not speak UTF-8', async () => {
    const { input, password } = terminal();
    const line = Buffer.from('right h\u00f6rse\r', 'latin1');
    input.write(Buffer.concat([line, line]));
    await expect(password).rejects.toThrow('expected a password in UTF-8 without NUL');
  });

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('is given up with %s', async (_name, key) => {
    const { input, password } = terminal();
    input.write(`right horse battery\r${key}`);
    await expect(password).rejects.toThrow('expected a password, got the end of the input');
  });
});

describe('a password from a pipe', () => {
  const piped = (...chunks: (string | Buffer)[]) => {
    const input = new PassThrough();
    for (const chunk of chunks) input.write(chunk);
    input.end();
    return readNewPassword(input, new PassThrough());
  };

  it.each([
    ['with a line feed', ['secret word\n']],
    ['with a carriage return', ['secret word\r\n']],
    ['without an end of line', ['secret word']],
    ['in pieces', ['secret', ' word', '\nmore']],
    ['with lines after it', ['secret word\nmore\nand more\n']],
  ])('is its first line %s', async (_how, chunks) => {
    await expect(piped(...chunks)).resolves.toBe('secret word');
  });

  it('is refused when it is empty', async () => {
    await expect(piped('\nsecret word\n')).rejects.toThrow('got an empty line');
    await expect(piped()).rejects.toThrow('got an empty line');
  });

  it('is refused when it is not UTF-8, or has NUL', async () => {
    for (const line of [Buffer.from('a p\u00e4ssword\n', 'latin1'), 'a pass\u0000word\n'])
      await expect(piped(line)).rejects.toThrow('expected a password in UTF-8 without NUL');
    await expect(piped('a p\u00e4ssword\n')).resolves.toBe('a p\u00e4ssword');
  });
});
