import { ratioChart, spreadChart, waitsChart } from './cost-charts.js';
import { clockTable, costTable, type Table } from './cost-tables.js';
import type { Findings } from './findings.js';
import { element, escaped } from './svg.js';

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:880px;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}' +
  'table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .6rem;border-bottom:1px solid #d0d7de;text-align:right}' +
  'td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto;margin:1rem 0}';

/** The results as a page that needs nothing else: tables, and images without scripts. */
export function pageOf(findings: Findings, facts: readonly string[]): string {
  const steps = [...new Set(findings.waits.map(({ step }) => step))];
  const body = [
    '<h1>What Admit One costs</h1>',
    ...facts.map((fact) => element('p', {}, escaped(fact))),
    ratioChart(findings),
    htmlOf(costTable(findings)),
    spreadChart(findings),
    htmlOf(clockTable(findings)),
    ...steps.map((step) => waitsChart(findings, step)),
    ...findings.faults.map((fault) => element('p', {}, `Failed: ${escaped(fault)}`)),
  ];
  const head = `<meta charset="utf-8"><title>What Admit One costs</title><style>${STYLE}</style>`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body>\n${body.join('\n')}\n</body></html>\n`;
}

function htmlOf({ head, rows }: Table): string {
  const line = (cells: readonly string[], cell: string) =>
    element('tr', {}, ...cells.map((words) => element(cell, {}, escaped(words))));
  return element('table', {}, line(head, 'th'), ...rows.map((row) => line(row, 'td')));
}
