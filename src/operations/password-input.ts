import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { unstorable } from '../../protocol/text.js';
import { AppError } from '../errors/app-error.js';

/** Longer than any password: whoever pipes in more has piped in something else. */
const MAX_LINE_LENGTH = 4096;

/** What passwords are read from: a terminal, or the output of another program. */
export type PasswordSource = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/**
 * A new password: typed twice at a terminal, which does not show it, or the first line of a pipe or file.
 * @param questions where the person is asked
 * @throws {AppError} `validation_failed` when there is none, when the two differ, or when it is not UTF-8.
 */
export async function readNewPassword(
  input: PasswordSource,
  questions: NodeJS.WritableStream,
): Promise<string> {
  if (input.isTTY !== true) return unicode(await firstLine(input));
  const [first, second] = await typedLines(input, questions, ['Password: ', 'The same again: ']);
  if (first !== second) throw refused('expected the same password twice, got two different ones');
  return unicode(first ?? '');
}

/** Node decodes what is not UTF-8 to U+FFFD: passwords that differ there would be the same. */
function unicode(password: string): string {
  if (unstorable(password) || password.includes('\ufffd'))
    throw refused('expected a password in UTF-8 without NUL, got other bytes');
  return password;
}

async function typedLines(
  input: PasswordSource,
  questions: NodeJS.WritableStream,
  asked: readonly string[],
): Promise<string[]> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  // In the mode of a terminal it is readline that echoes what is typed, and it does so to `output`.
  const lines = createInterface({ input, output: unseen, terminal: true, historySize: 0 });
  const typing = lines[Symbol.asyncIterator]();
  const typed: string[] = [];
  try {
    for (const question of asked) {
      questions.write(question);
      const line: IteratorResult<string, unknown> = await typing.next();
      questions.write('\n');
      if (line.done === true) throw refused('expected a password, got the end of the input');
      typed.push(line.value);
    }
    return typed;
  } finally {
    lines.close();
  }
}

async function firstLine(input: PasswordSource): Promise<string> {
  let text = '';
  input.setEncoding('utf8');
  for await (const chunk of input) {
    text += String(chunk);
    if (text.includes('\n') || text.length > MAX_LINE_LENGTH) break;
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw refused('expected a password in the first line of the input, got an empty line');
  return line;
}

function refused(detail: string): AppError {
  return new AppError('validation_failed', { detail });
}
