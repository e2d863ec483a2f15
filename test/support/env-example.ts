import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const EXAMPLE = join(import.meta.dirname, '..', '..', '.env.example');

export interface ExampleLine {
  name: string;
  value: string;
  /** The comment lines right above. */
  comment: string;
}

/** The settings of `.env.example`, in its order. */
export function readExample(): ExampleLine[] {
  const lines: ExampleLine[] = [];
  let comment = '';
  for (const line of readFileSync(EXAMPLE, 'utf8').split('\n')) {
    const [, name, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (line.startsWith('# ')) comment += line.slice(1);
    else if (name !== undefined && value !== undefined) lines.push({ name, value, comment: comment.trim() });
    else if (line !== '') throw new Error(`expected a comment or NAME=value in .env.example, got ${line}`);
    if (!line.startsWith('# ')) comment = '';
  }
  return lines;
}
