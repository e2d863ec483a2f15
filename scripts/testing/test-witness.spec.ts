import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { judge, readSightings, WITNESS_FOLDER } from './test-witness.js';
import type { Sighting } from './test-witness.js';

const THE_ONE = {
  caller: 'UnifiedAuthenticationService',
  file: 'src/auth/unified-authentication.service.ts',
};
const PATHS = ['http', 'upgrade', 'first_message', 'frame', 'password', 'refresh', 'exchange'];

const PRIMITIVES = [
  'argon2.verify',
  'JwtService.verify',
  ...['check', 'rotate', 'touch', 'touchById'].map((method) => `SessionService.${method}`),
  'TicketService.consume',
];

/** Every path decided, both ways, by the one service, which called all that it needs. */
const COMPLETE: Sighting[] = [
  ...PATHS.flatMap((path) => [
    { primitive: 'AuthReportService.success', path, outcome: 'accepted' as const, ...THE_ONE, count: 2 },
    { primitive: 'AuthReportService.refusal', path, outcome: 'refused' as const, ...THE_ONE, count: 1 },
  ]),
  ...PRIMITIVES.map((primitive) => ({ primitive, ...THE_ONE, count: 1 })),
];

const faultsWith = (...more: Sighting[]) => judge([...COMPLETE, ...more]).faults;

describe('judge', () => {
  it('finds no fault where one service decides every path both ways', () => {
    expect(faultsWith()).toEqual([]);
  });

  it('names another class that decides, once, with file and path', () => {
    const stranger = { caller: 'FastPath', file: 'src/chat/fast.ts', count: 3 };
    const decision = { primitive: 'AuthReportService.success', path: 'http', outcome: 'accepted' as const };
    expect(faultsWith({ ...decision, ...stranger }, { ...decision, ...stranger })).toEqual([
      'FastPath (src/chat/fast.ts) calls AuthReportService.success of path "http"',
    ]);
    expect(faultsWith({ primitive: 'JwtService.verify', ...stranger })).toEqual([
      'FastPath (src/chat/fast.ts) calls JwtService.verify',
    ]);
  });

  it('is not deceived by a class with the same name', () => {
    const namesake = { ...THE_ONE, file: 'src/chat/unified.ts' };
    expect(faultsWith({ primitive: 'SessionService.touch', ...namesake, count: 1 })).toHaveLength(1);
  });

  it('allows the heartbeat to read a session, and nothing else', () => {
    const heartbeat = {
      caller: 'SessionWatchService',
      file: 'src/websocket/connections/heartbeat.service.ts',
      count: 9,
    };
    expect(faultsWith({ primitive: 'SessionService.check', ...heartbeat })).toEqual([]);
    expect(faultsWith({ primitive: 'TicketService.consume', ...heartbeat })).toHaveLength(1);
  });

  it('names each path without a decision, and which way', () => {
    const rest = COMPLETE.filter(({ path, outcome }) => path !== 'frame' || outcome !== 'refused');
    expect(judge(rest).faults).toEqual(['no test made the path "frame" decide: refused']);
    expect(judge([]).faults).toHaveLength(PATHS.length * 2 + PRIMITIVES.length);
  });

  it('reports when it did not see a function that is always called', () => {
    const rest = COMPLETE.filter(({ primitive }) => primitive !== 'argon2.verify');
    expect(judge(rest).faults).toEqual(['nobody was seen to call argon2.verify: is it still watched?']);
  });

  it('prints who decided how often by path', () => {
    const { table } = judge(COMPLETE);
    expect(table.find((line) => line.startsWith('refresh'))?.split(/ +/)).toEqual([
      'refresh',
      '2',
      '1',
      'UnifiedAuthenticationService',
    ]);
  });
});

describe('readSightings', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'witness-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads the records of all nodes, without a line that was cut by a kill', () => {
    mkdirSync(join(folder, WITNESS_FOLDER));
    const line = { primitive: 'SessionService.check', ...THE_ONE, count: 1 };
    const write = (name: string, text: string) => appendFileSync(join(folder, WITNESS_FOLDER, name), text);
    write('a.jsonl', `${JSON.stringify(line)}\n{"primitive":"Sess`);
    write('b.jsonl', `${JSON.stringify(line)}\n`);
    expect(readSightings(folder)).toEqual([line, line]);
  });

  it('finds nothing where no node was watched', () => {
    expect(readSightings(folder)).toEqual([]);
  });
});
