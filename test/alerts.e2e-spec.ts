import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { ERRORS, type ErrorCode } from '../protocol/errors.js';
import { isFailure } from '../src/observability/failure-objectives.js';
import { LABEL_VALUES } from '../src/observability/label-values.js';
import { MetricsService } from '../src/observability/metrics.service.js';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

interface Dashboard {
  panels: { id: number; title: string; datasource: { uid: string }; targets: { expr: string }[] }[];
}

const rules = (parse(read('ops/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alerts = rules.filter((rule) => rule.alert !== undefined);
const names = alerts.map(({ alert = '' }) => alert);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
const tested = (parse(read('ops/alerts.test.yml')) as { tests: { name: string }[] }).tests;
const pages = readdirSync(join(ROOT, 'docs/runbooks')).filter((name) => name !== 'README.md');

/** Every series that a node exports, with its labels; a histogram is three. */
const exported = new Map<string, Set<string>>([['up', new Set()]]);
for (const metric of new MetricsService().registry.getMetricsAsArray()) {
  const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] };
  exported.set(name, new Set(labelNames));
  if (!('buckets' in metric)) continue;
  exported.set(`${name}_bucket`, new Set([...labelNames, 'le']));
  for (const part of ['sum', 'count']) exported.set(`${name}_${part}`, new Set(labelNames));
}
/** Set by Prometheus itself when it scrapes. */
const TARGET_LABELS = ['job', 'instance'];
const LABELS = new Set([...TARGET_LABELS, ...[...exported.values()].flatMap((labels) => [...labels])]);

/** `name{label="value"}` and bare names in an expression or a text. */
function selectors(text: string): { name: string; matchers: { label: string; value: string }[] }[] {
  const found = text.matchAll(/\b((?:chat|nodejs|process)_[a-z0-9_]+|up\b(?=\{))(?:\{([^}]*)\})?/g);
  return [...found].map(([, name = '', inside = '']) => ({
    name,
    matchers: [...inside.matchAll(/([a-z_]+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"/g)].map(
      ([, label = '', value = '']) => ({ label, value }),
    ),
  }));
}

/** Parts of a text that no node exports: metrics, labels, values of a closed list, and labels in a grouping. */
function unknowns(text: string): string[] {
  return [...unknownSelectors(text), ...groupings(text).filter((label) => !LABELS.has(label))];
}

function unknownSelectors(text: string): string[] {
  return selectors(text).flatMap(({ name, matchers }) => {
    const labels = exported.get(name);
    if (labels === undefined) return [name];
    return matchers.flatMap(({ label, value }) => {
      if (!labels.has(label) && !TARGET_LABELS.includes(label)) return [`${name}{${label}}`];
      const closed = LABEL_VALUES[label];
      const strange = value.split('|').filter((one) => closed !== undefined && !closed.includes(one));
      return strange.map((one) => `${name}{${label}="${one}"}`);
    });
  });
}

/** Recorded series that a text uses. */
function recordsIn(text: string): string[] {
  return text.match(/\badmit_one:[a-z_0-9:]+/g) ?? [];
}

/** Labels that an expression groups by. */
function groupings(text: string): string[] {
  const lists = text.matchAll(/\b(?:by|on)\s*\(([a-z_, ]*)\)/g);
  return [...lists].flatMap(([, list = '']) => list.split(',').map((label) => label.trim())).filter(Boolean);
}

describe('ops/alerts.yml', () => {
  it.each(rules.map((rule) => [rule.alert ?? rule.record ?? '', rule.expr]))(
    '%s uses only what a node exports',
    (_name, expr) => {
      const own = recordsIn(expr);
      expect(selectors(expr).length + own.length).toBeGreaterThan(0);
      expect(unknowns(expr)).toEqual([]);
      expect(own.filter((name) => !recorded.has(name))).toEqual([]);
    },
  );

  it.each(names)('%s has a severity and a runbook', (name) => {
    const rule = alerts.find(({ alert }) => alert === name);
    expect(['page', 'ticket']).toContain(rule?.labels?.severity);
    expect(rule?.annotations?.summary).toMatch(/^[A-Z].{10,}/);
    expect(rule?.annotations?.runbook).toBe(`docs/runbooks/${name}.md`);
    expect(existsSync(join(ROOT, `docs/runbooks/${name}.md`))).toBe(true);
  });

  it('has a test for each alert, and no name twice', () => {
    expect(tested.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(new Set(names).size).toBe(names.length);
  });

  it('counts the same reasons as failures as the nodes do', () => {
    const failures = (Object.keys(ERRORS) as ErrorCode[]).filter(isFailure).sort();
    const ratios = rules.filter(({ record }) => record?.startsWith('admit_one:auth_failures'));
    expect(ratios).toHaveLength(2);
    for (const { expr } of ratios) {
      const [failed, all] = [...expr.matchAll(/reason=~"([^"]*)"/g)].map(([, list = '']) =>
        list.split('|').sort(),
      );
      expect(failed).toEqual(failures);
      expect(all).toEqual(['none', ...failures].sort());
    }
  });
});

describe('ops/grafana/admit-one.json', () => {
  const dashboard = JSON.parse(read('ops/grafana/admit-one.json')) as Dashboard;

  it.each(dashboard.panels.map(({ title, targets }) => [title, targets.map(({ expr }) => expr)] as const))(
    'shows under "%s" only what a node exports',
    (_title, exprs) => {
      expect(exprs.length).toBeGreaterThan(0);
      for (const expr of exprs) {
        expect(unknowns(expr)).toEqual([]);
        expect(recordsIn(expr).filter((name) => !recorded.has(name))).toEqual([]);
      }
    },
  );

  it('shows all of our metrics, gives each panel a number, and names no server', () => {
    const shown = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(' ');
    const ours = new MetricsService().registry.getMetricsAsArray().map(({ name }) => name);
    // Not shown: the life of sockets, which matters for one gateway only, and the end of the old ways, which is a date.
    const asked = ['chat_ws_connection_duration_seconds', 'chat_legacy_sunset_timestamp_seconds'];
    const missing = ours.filter((name) => name.startsWith('chat_') && !shown.includes(name));
    expect(missing.sort()).toEqual(asked.sort());
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { datasource } of dashboard.panels) expect(datasource.uid).toBe('${datasource}');
  });
});

describe('the runbooks', () => {
  it('exist for each alert, and are listed on their first page', () => {
    expect(pages.map((page) => page.replace('.md', '')).sort()).toEqual([...names].sort());
    const list = read('docs/runbooks/README.md');
    expect(names.filter((name) => !list.includes(`[${name}](${name}.md)`))).toEqual([]);
  });

  it.each(pages)('%s says what it means, what to do and when it is resolved', (page) => {
    const text = read(`docs/runbooks/${page}`);
    for (const part of ['**Means.**', '**Users see.**', '## Check', '## Do', '## Resolved when']) {
      expect(text).toContain(part);
    }
    expect(unknowns(text)).toEqual([]);
    expect(recordsIn(text).filter((name) => !recorded.has(name))).toEqual([]);
  });
});
