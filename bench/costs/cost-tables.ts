import type { ContenderName } from './contender.js';
import type { Findings } from './findings.js';
import { ROW_IDS, type RowId, rowOf } from './rows.js';

export interface Table {
  head: string[];
  rows: string[][];
}

export interface Verdict {
  isKept: boolean;
  text: string;
}

/** The rows of some kinds for which the product has a value. */
export function measuredRows(findings: Findings, ...kinds: string[]): RowId[] {
  return ROW_IDS.filter(
    (row) => kinds.includes(rowOf(row).kind) && findings.median(row, 'product') !== undefined,
  );
}

export function costTable(findings: Findings): Table {
  const ratio = (row: RowId, to: ContenderName) => digits(findings.ratio(row, 'product', to));
  return {
    head: [
      'server CPU per ...',
      ...['product', 'limit', 'Socket.IO'],
      ...['product : limit', 'at most', 'product : Socket.IO'],
    ],
    rows: measuredRows(findings, 'cost').map((row) => [
      rowOf(row).what,
      ...mediansOf(findings, row),
      ...[ratio(row, 'limit'), digits(rowOf(row).atMost), ratio(row, 'socket.io')],
    ]),
  };
}

export function clockTable(findings: Findings): Table {
  return {
    head: ['by the clock', 'product', 'limit', 'Socket.IO'],
    rows: measuredRows(findings, 'clock', 'count').map((row) => [
      rowOf(row).what,
      ...mediansOf(findings, row),
    ]),
  };
}

export function markdownOf({ head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  );
}

/** Whether the product keeps what `rows.ts` allows. */
export function judge(findings: Findings): Verdict[] {
  return measuredRows(findings, 'cost', 'clock', 'count').flatMap((row) => {
    const { atMost, kind, what } = rowOf(row);
    const isCost = kind === 'cost';
    const value = isCost ? findings.ratio(row, 'product', 'limit') : findings.median(row, 'product');
    if (atMost === undefined || value === undefined) return [];
    const text = `${what}: ${digits(value)}${isCost ? ' times the limit' : ''}, at most ${atMost}`;
    return [{ isKept: value <= atMost, text }];
  });
}

/** Three significant digits, without an exponent. */
export function digits(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  return Number(value.toPrecision(3)).toLocaleString('en', {
    useGrouping: value >= 10_000,
    maximumFractionDigits: 4,
  });
}

function mediansOf(findings: Findings, row: RowId): string[] {
  return (['product', 'limit', 'socket.io'] as const).map((contender) => {
    const median = findings.median(row, contender);
    return median === undefined ? '-' : `${digits(median)} ${rowOf(row).unit}`.trimEnd();
  });
}
