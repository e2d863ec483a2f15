import { beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { ERRORS, isErrorCode } from '../protocol/errors.js';
import { PROJECT_ROOT } from '../scripts/project.js';
import { SQLSTATE_MEANINGS } from '../src/database/sqlstate.js';
import { MetricsService } from '../src/observability/metrics.service.js';
import { REPLY_MEANINGS } from '../src/redis/refused-reply.js';
import { resolveAlias } from '../src/websocket/upgrade/path-alias.js';
import {
  anchorsOf,
  type Document,
  marked,
  readDocuments,
  shippedSource,
  sourcePaths,
} from './support/documents.js';
import { readExample } from './support/env-example.js';
import { realRoutes } from './support/real-routes.js';

const documents = readDocuments();
const source = shippedSource();
const words = new Set(source.match(/\w+/g));
const files = sourcePaths();
const FOLDERS = 'src|test|docs|scripts|protocol|client|web|ops|migrations|bench';
/** Names from outside the project: of Node, of libraries, and of the pages of the old systems. */
const FOREIGN = new Set([
  'NODE_ENV',
  'NODE_EXTRA_CA_CERTS',
  'auth_token',
  'user_data',
  'jest.mock',
  'process_start_time_seconds',
]);
/** Addresses without a controller: files, those for upgrades only, and those of a model server. */
const OTHER_ADDRESSES = ['/', '/ws', '/ws/conversations/{id}', '/problems/{code}', '/api/chat', '/api/tags'];

/** Everything that `found` finds wrong, each as `page: text`. */
function findings(found: (document: Document) => readonly string[]): string[] {
  return documents.flatMap((document) => found(document).map((what) => `${document.path}: ${what}`));
}

describe('the documents', () => {
  it('link to pages and headings that exist', () => {
    const broken = findings(({ path, text }) => {
      const links = [...text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link = '']) => link);
      return links.filter((link) => {
        const [file = '', anchor] = link.split('#', 2);
        const target = file === '' ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(PROJECT_ROOT, target))) return true;
        return (
          anchor !== undefined && !anchorsOf(readFileSync(join(PROJECT_ROOT, target), 'utf8')).has(anchor)
        );
      });
    });
    expect(broken).toEqual([]);
  });

  it('name files and folders that exist', () => {
    const names = new Set(files.map((file) => file.slice(file.lastIndexOf('/') + 1)));
    const missing = findings((document) =>
      marked(document).filter((word) => {
        if (/[*{}<>…\s]|NNNN/.test(word)) return false;
        if (new RegExp(`^(${FOLDERS})/`).test(word)) return !existsSync(join(PROJECT_ROOT, word));
        return /^[\w.-]+\.(ts|tsx|mjs)$/.test(word) && !names.has(word);
      }),
    );
    expect(missing).toEqual([]);
  });

  it('name commands that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const missing = findings(({ text }) =>
      [...text.matchAll(/npm run ([a-z][\w:-]*\w)(?!\w*:\.\.)/g)]
        .map(([, name = '']) => name)
        .filter((name) => !(name in scripts)),
    );
    expect(missing).toEqual([]);
  });

  describe('about HTTP', () => {
    let routes: { method: string; path: RegExp }[];
    const isServed = (path: string, method?: string): boolean =>
      routes.some(
        (route) => route.path.test(resolveAlias(path)) && (method ?? route.method) === route.method,
      );

    beforeAll(async () => {
      const real = await realRoutes();
      routes = [...real, ...OTHER_ADDRESSES.map((path) => `GET ${path}`)].map((route) => {
        const [method = '', path = ''] = route.split(' ');
        return { method, path: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`) };
      });
    });

    it('name routes that the server has', () => {
      const missing = findings((document) =>
        marked(document).filter((words) => {
          const [, method, path = ''] = /^(?:(GET|POST|PUT|PATCH|DELETE) )(\/[\w./{}-]*)/.exec(words) ?? [];
          return method !== undefined && !isServed(path, method);
        }),
      );
      expect(missing).toEqual([]);
    });

    it('name addresses that the server has', () => {
      const missing = findings((document) =>
        marked(document).filter((word) => {
          const isAddress = /^\/(auth|websocket|conversations|admin|health|metrics|ws|api)\b[\w/{}-]*$/;
          return isAddress.test(word) && !isServed(word);
        }),
      );
      expect(missing).toEqual([]);
    });

    it('name each code with its own status', () => {
      const wrong = findings(({ text }) =>
        [...text.matchAll(/\b([1-5]\d\d) `([a-z_]+)`/g)]
          .filter(([, status, code = '']) => isErrorCode(code) && ERRORS[code].status !== Number(status))
          .map(([words]) => words),
      );
      expect(wrong).toEqual([]);
    });
  });

  it('name settings that a node has, with their defaults', () => {
    const example = new Map(readExample().map(({ name, value }) => [name, value]));
    const wrong = findings((document) => [
      ...marked(document).filter(
        (word) => /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(word) && !example.has(word) && !hasWord(word),
      ),
      ...[...document.text.matchAll(/`([A-Z][A-Z0-9_]+)` \((\d+)[;)]/g)]
        .filter(([, name = '', value]) => example.has(name) && example.get(name) !== value)
        .map(([words]) => words),
    ]);
    expect(wrong).toEqual([]);
  });

  describe('about metrics', () => {
    let exported: { name: string; type: string; labels: string[] }[];

    beforeAll(async () => {
      const { registry } = new MetricsService();
      exported = (await registry.getMetricsAsJSON())
        .map(({ name, type }) => ({
          name,
          type: String(type),
          labels: labelsOf(registry.getSingleMetric(name)),
        }))
        .filter(({ name }) => name.startsWith('chat_'));
    });

    it('name those that a node exports', () => {
      const names = new Set(exported.map(({ name }) => name));
      const missing = findings((document) =>
        marked(document)
          .flatMap((text) => text.match(/\bchat_[a-z_]+/g) ?? [])
          .filter((name) => !/^chat_(session|history)$/.test(name))
          .filter((name) => !names.has(name.replace(/_(bucket|sum|count)$/, ''))),
      );
      expect(missing).toEqual([]);
    });

    it('list each metric that a node exports, with its type and labels', () => {
      const page = documents.find(({ path }) => path === 'docs/metrics.md')?.text ?? '';
      const rows = page.split('\n').filter((line) => line.startsWith('| `chat_'));
      const listed = rows.map((row) =>
        row
          .split('|')
          .slice(1, 4)
          .map((cell) => cell.replaceAll('`', '').trim()),
      );
      const expected = exported.map(({ name, type, labels }) => [name, type, labels.join(', ')]);
      expect(listed.sort()).toEqual(expected.sort());
    });
  });

  it('list every refusal of the engines, whom it concerns, and what to do', () => {
    const page = documents.find(({ path }) => path === 'docs/operations.md')?.text ?? '';
    const rows = page.matchAll(/^\| `([0-9A-Z_]+)` \| (all|some) \| (.*) \|$/gm);
    const meanings: [string, { scope: string; advice?: string; isRepeatable?: true }][] = [
      ...Object.entries(REPLY_MEANINGS),
      ...Object.entries(SQLSTATE_MEANINGS),
    ];
    const expected = meanings.map(([name, { scope, advice, isRepeatable }]) => [
      name,
      scope === 'server' ? 'all' : 'some',
      advice ?? (isRepeatable === true ? 'tried once more' : 'ends by itself'),
    ]);
    expect([...rows].map((row) => row.slice(1)).sort()).toEqual(expected.sort());
  });

  it('name only identifiers that the code has', () => {
    const missing = findings((document) =>
      marked(document).filter(
        (word) => /^[a-z]+(?:[_.][a-z]+)+$/.test(word) && !hasWord(word) && !isFileName(word),
      ),
    );
    expect(missing).toEqual([]);
  });
});

/** Whether the source contains a word, or each part of a dotted name such as `ready.auth.method`. */
function hasWord(word: string): boolean {
  if (FOREIGN.has(word) || words.has(word)) return true;
  if (word.startsWith('ready.')) return word.split('.').every((part) => words.has(part));
  return source.includes(word);
}

function labelsOf(metric: unknown): string[] {
  return (metric as { labelNames?: string[] } | undefined)?.labelNames ?? [];
}

function isFileName(word: string): boolean {
  return existsSync(join(PROJECT_ROOT, word)) || files.some((file) => file.endsWith(`/${word}`));
}
