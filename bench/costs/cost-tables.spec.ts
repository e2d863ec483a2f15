import { describe, expect, it } from '@jest/globals';
import { ratioChart } from './cost-charts.js';
import { pageOf } from './cost-page.js';
import { clockTable, costTable, digits, judge, markdownOf } from './cost-tables.js';
import { Findings } from './findings.js';
import { ROWS } from './rows.js';

function someFindings(): Findings {
  const findings = new Findings();
  for (const value of [0.5, 0.9, 0.6]) findings.add('connect', 'product', value);
  for (const value of [0.4, 0.5, 0.4]) findings.add('connect', 'limit', value);
  for (const value of [0.8, 1, 0.8]) findings.add('connect', 'socket.io', value);
  findings.add('return-refused', 'product', 0);
  findings.addWaits('first words', 'product', [3, 1, 2]);
  return findings;
}

describe('the results of npm run bench', () => {
  it('are medians, and medians of the ratios of each repetition', () => {
    const [row] = costTable(someFindings()).rows;
    const { what, atMost } = ROWS.connect;
    expect(row).toEqual([what, '0.6 ms', '0.4 ms', '0.8 ms', '1.5', String(atMost), '0.75']);
  });

  it('are a table in Markdown', () => {
    expect(markdownOf({ head: ['what', 'value'], rows: [['a', '1']] })).toBe(
      '| what | value |\n| --- | ---: |\n| a | 1 |',
    );
  });

  it('leave out what was not measured', () => {
    expect(costTable(someFindings()).rows).toHaveLength(1);
    expect(clockTable(someFindings()).rows).toEqual([[ROWS['return-refused'].what, '0', '-', '-']]);
  });

  it('break a bound when the product costs more, or when somebody is refused', () => {
    const findings = someFindings();
    expect(judge(findings).map(({ isKept }) => isKept)).toEqual([true, true]);
    for (let time = 0; time < 4; time++) {
      findings.add('connect', 'product', 4);
      findings.add('connect', 'limit', 0.4);
    }
    findings.add('return-refused', 'product', 1);
    findings.add('return-refused', 'product', 1);
    expect(judge(findings).map(({ isKept }) => isKept)).toEqual([false, false]);
  });

  it('have three significant digits and no exponent', () => {
    expect([0.000_012_3, 1.2345, 123.45, 12_345.6, undefined].map(digits)).toEqual([
      '0',
      '1.23',
      '123',
      '12,300',
      '-',
    ]);
  });

  it('are an image and a page that load nothing', () => {
    const image = ratioChart(someFindings());
    expect(image).toContain('>1.5<');
    expect(image).toContain('>2<');
    const page = pageOf(someFindings(), ['facts & more']);
    expect(page).toContain('facts &amp; more');
    expect(page).not.toMatch(/<script|<link|<img|NaN/);
    expect(page.match(/<svg/g)).toHaveLength(3);
  });
});
