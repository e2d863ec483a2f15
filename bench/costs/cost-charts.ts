import { scaleLinear, scaleLog } from 'd3-scale';
import { curveMonotoneX, line } from 'd3-shape';
import { percentile } from '../figures.js';
import type { ContenderName } from './contender.js';
import { digits, measuredRows } from './cost-tables.js';
import type { Findings } from './findings.js';
import { rowOf } from './rows.js';
import { element, image, text } from './svg.js';

const COLOURS: Record<ContenderName, string> = {
  product: '#1f6feb',
  limit: '#57606a',
  'socket.io': '#d4a72c',
};
const NAMES: Record<ContenderName, string> = {
  product: 'Admit One',
  limit: 'the limit: node:http, ws, ioredis',
  'socket.io': 'Socket.IO 4 with its Redis adapter',
};
const ALL: readonly ContenderName[] = ['limit', 'product', 'socket.io'];
const GRID = '#d0d7de';
const WIDTH = 860;
const LABELS = 310;
const RIGHT = 60;
const TOP = 56;
const BAR = 11;
const ROW = 36;

/** Bars: what the product and Socket.IO cost, as multiples of the limit. */
export function ratioChart(findings: Findings): string {
  const marks = measuredRows(findings, 'cost').flatMap((row, index) =>
    (['product', 'socket.io'] as const).flatMap((contender, place) => {
      const times = findings.ratio(row, contender, 'limit');
      return times === undefined ? [] : [{ times, contender, y: yOf(index) + 6 + place * (BAR + 1) }];
    }),
  );
  return rowChart(
    findings,
    'CPU time of the server per unit of work, and memory; 1 is hand-written code on node:http, ws and ioredis',
    ['product', 'socket.io'],
    marks,
    ({ times, contender, y }, x) =>
      element('rect', { x: LABELS, y, width: x - LABELS, height: BAR, fill: COLOURS[contender] }) +
      text(x + 5, y + BAR - 1, digits(Math.round(times * 100) / 100), { 'font-size': 11 }),
  );
}

/** Dots: every repetition of every row, as multiples of the limit's median. Shows how far the medians can be trusted. */
export function spreadChart(findings: Findings): string {
  const marks = measuredRows(findings, 'cost').flatMap((row, index) => {
    const limit = findings.median(row, 'limit');
    if (limit === undefined) return [];
    return ALL.flatMap((contender, place) =>
      findings
        .valuesOf(row, contender)
        .map((value) => ({ times: value / limit, contender, y: yOf(index) + 9 + place * 9 })),
    );
  });
  return rowChart(
    findings,
    "Every repetition, as multiples of the limit's median",
    ALL,
    marks,
    ({ contender, y }, x) =>
      element('circle', { cx: x, cy: y, r: 3.5, fill: COLOURS[contender], 'fill-opacity': 0.7 }),
  );
}

/** A value of one contender in one row, as a multiple of the limit. */
interface Mark {
  times: number;
  contender: ContenderName;
  y: number;
}

/** A chart with a line for each row and an axis of multiples of the limit. */
function rowChart(
  findings: Findings,
  title: string,
  contenders: readonly ContenderName[],
  marks: readonly Mark[],
  draw: (mark: Mark, x: number) => string,
): string {
  const rows = measuredRows(findings, 'cost');
  const most = Math.max(1.5, ...marks.map(({ times }) => times));
  const x = scaleLinear([0, most], [LABELS, WIDTH - RIGHT]).nice();
  const bottom = yOf(rows.length);
  return image(
    WIDTH,
    bottom + 34,
    title,
    legend(contenders, title),
    ...x.ticks(8).map((tick) => gridLine(x(tick), bottom, String(tick), tick === 1)),
    ...rows.map((row, index) =>
      text(LABELS - 10, yOf(index) + 22, rowOf(row).what, { 'text-anchor': 'end' }),
    ),
    ...marks.map((mark) => draw(mark, x(mark.times))),
  );
}

const CURVE = { left: 70, right: 840, top: 56, bottom: 300 };
/** The axis stretches the slow end: from the fastest client to the slowest of a thousand. */
const SHARES = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
const SHARE_TICKS = [0, 0.5, 0.9, 0.99, 0.999];

/** Curves: the time within which a share of all clients had what they waited for. */
export function waitsChart(findings: Findings, step: string): string {
  const series = findings.waits.filter((waits) => waits.step === step);
  const slowestMs = Math.max(...series.map(({ valuesMs }) => percentile(valuesMs, SHARES.at(-1) ?? 1)));
  const x = scaleLog([1, 0.001], [CURVE.left, CURVE.right]);
  const y = scaleLinear([0, slowestMs], [CURVE.bottom, CURVE.top]).nice();
  const curve = line<number>(
    (share) => x(1 - share),
    (share) => share,
  ).curve(curveMonotoneX);
  return image(
    WIDTH,
    CURVE.bottom + 34,
    step,
    legend(
      series.map(({ contender }) => contender),
      `${step}: milliseconds, by share of clients`,
    ),
    ...y
      .ticks(6)
      .flatMap((tick) => [
        element('line', { x1: CURVE.left, x2: CURVE.right, y1: y(tick), y2: y(tick), stroke: GRID }),
        text(CURVE.left - 8, y(tick) + 4, tick.toLocaleString('en'), { 'text-anchor': 'end' }),
      ]),
    ...SHARE_TICKS.map((share) =>
      text(x(1 - share), CURVE.bottom + 20, share === 0 ? 'fastest' : `p${digits(share * 100)}`, {
        'text-anchor': 'middle',
      }),
    ),
    ...series.map(({ contender, valuesMs }) => {
      const path = curve.y((share) => y(percentile(valuesMs, share)))(SHARES) ?? '';
      return element('path', { d: path, fill: 'none', stroke: COLOURS[contender], 'stroke-width': 2 });
    }),
  );
}

function yOf(row: number): number {
  return TOP + row * ROW;
}

function legend(contenders: readonly ContenderName[], title: string): string {
  let x = 10;
  const keys = contenders.map((contender) => {
    const mark = element('rect', { x, y: 30, width: 11, height: 11, fill: COLOURS[contender] });
    const words = text(x + 16, 40, NAMES[contender]);
    x += 40 + NAMES[contender].length * 7;
    return mark + words;
  });
  return text(10, 20, title, { 'font-weight': 600 }) + keys.join('');
}

function gridLine(x: number, bottom: number, label: string, isBold: boolean): string {
  const stroke = isBold ? COLOURS.limit : GRID;
  return (
    element('line', { x1: x, x2: x, y1: TOP, y2: bottom, stroke, 'stroke-width': isBold ? 2 : 1 }) +
    text(x, bottom + 18, label, { 'text-anchor': 'middle' })
  );
}
