import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { CLOSE_CODES, reconnectPolicy } from './close-codes.js';
import { ERRORS, UPGRADE_PUBLIC_CODES, isErrorCode } from './errors.js';
import { LIMITS, SUBPROTOCOL } from './messages.js';

const page = readFileSync(join(import.meta.dirname, 'PROTOCOL.md'), 'utf8');

/** Rows of the table whose header begins with these words, without backticks. */
function table(...header: string[]): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header.join(' | ')} |`));
  if (start < 0) throw new Error(`expected a table ${header.join(', ')} in PROTOCOL.md`);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break;
    rows.push(
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  }
  return rows;
}

/** The words in backticks. */
function marked(cell = ''): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
}

/** `frame type -> members of its data`, read from an interface in messages.ts; `?` marks an optional member. */
function framesOf(name: string): Map<string, string[]> {
  const file = join(import.meta.dirname, 'messages.ts');
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
  });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const declaration = source?.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  );
  if (declaration === undefined) throw new Error(`expected an interface ${name} in messages.ts`);
  const frames = checker.getPropertiesOfType(checker.getTypeAtLocation(declaration));
  return new Map(frames.map((frame) => [frame.name, membersOf(checker, checker.getTypeOfSymbol(frame))]));
}

function membersOf(checker: ts.TypeChecker, data: ts.Type): string[] {
  const shapes = data.isUnion() ? data.types : [data];
  const members = shapes.flatMap((shape) =>
    checker.getPropertiesOfType(shape).map((member) => {
      const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0 || shapes.length > 1;
      return isOptional ? `${member.name}?` : member.name;
    }),
  );
  return [...new Set(members)].sort();
}

describe('PROTOCOL.md', () => {
  test('lists every error with its status, title and retry rule', () => {
    const written = table('Code', 'Status', 'Title', 'Retry').map(([code, status, title, retry]) => [
      marked(code)[0],
      Number(status),
      title,
      retry,
    ]);
    const coded = Object.entries(ERRORS).map(([code, row]) => [code, row.status, row.title, row.retry]);
    expect(written).toEqual(coded);
  });

  test('lists every close code with its name and what a client does after it', () => {
    const written = table('Code', 'Reason', 'Reconnect').map(([code, reason, reconnect]) => [
      Number(code),
      marked(reason)[0],
      reconnect,
    ]);
    const coded = Object.entries(CLOSE_CODES).map(([name, code]) => [code, name, reconnectPolicy(code)]);
    expect(written).toEqual(coded);
  });

  test('lists every frame that a client sends, with its members', () => {
    const written = new Map(
      table('Type', '`data`', 'Answer').map(([type, data]) => [marked(type)[0], marked(data).sort()]),
    );
    expect(written).toEqual(framesOf('ClientFrameData'));
  });

  test('lists every frame that a server sends, with its members and whether it is durable', () => {
    const durable = framesOf('DurableEventData');
    const written = table('Type', 'Durable', '`data`', 'Meaning').map(([type, isDurable, data]) => [
      marked(type)[0],
      isDurable,
      marked(data).sort(),
    ]);
    const coded = [...framesOf('ServerFrameData')].map(([type, members]) => [
      type,
      durable.has(type) ? 'yes' : 'no',
      members,
    ]);
    expect(new Set(written.map((row) => JSON.stringify(row)))).toEqual(
      new Set(coded.map((row) => JSON.stringify(row))),
    );
  });

  test('names only frames that the server sends as answers', () => {
    const known = framesOf('ServerFrameData');
    const answers = table('Type', '`data`', 'Answer').map(([, , answer]) => marked(answer)[0] ?? '');
    expect(answers.filter((answer) => !known.has(answer))).toEqual([]);
  });

  test('lists only existing codes for refused upgrades, and only public ones for statuses 403, 429 and 503', () => {
    const rows = table('Condition', 'Status', '`code`').map(([, status, code]) => ({
      status: Number(status),
      codes: marked(code),
    }));
    expect(rows.flatMap(({ codes }) => codes).filter((code) => !isErrorCode(code))).toEqual([]);
    const public_ = rows
      .filter(({ status }) => [403, 429, 503].includes(status))
      .flatMap(({ codes }) => codes);
    expect(public_.sort()).toEqual([...UPGRADE_PUBLIC_CODES].sort());
  });

  test('states the same limits as the code', () => {
    const written = table('What', 'At most').map(([, limit]) => Number(limit?.replace(',', '')));
    const { minContentLength, ...upper } = LIMITS;
    expect(written.sort()).toEqual(Object.values(upper).sort());
    expect(page).toContain(`(at least ${minContentLength})`);
  });

  test('names the subprotocol', () => {
    expect(page).toContain(`# The \`${SUBPROTOCOL}\` protocol`);
  });

  test('shows the correct length and digest in its example', () => {
    const pieces = [...page.matchAll(/"offset":\d+,"text":"([^"]+)"/g)].map((match) => match[1]).join('');
    const [, length, digest] = /"length":(\d+),\s+"sha256":"(\w+)"/.exec(page) ?? [];
    expect(pieces).toHaveLength(Number(length));
    expect(createHash('sha256').update(pieces).digest('hex')).toBe(digest);
  });
});
