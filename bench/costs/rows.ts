export interface Row {
  what: string;
  unit: 'ms' | 'µs' | 'KiB' | '';
  kind: 'cost' | 'clock' | 'count';
  /**
   * The most that is allowed: for a cost how many times the limit's, otherwise the product's own value. Above the
   * machine's noise, so that only a change of the code exceeds it.
   */
  atMost?: number;
}

/** What a run measures. Costs are server CPU per unit of work, except that of `memory`. */
export const ROWS = {
  connect: { what: 'full connect: ticket, upgrade, `ready`', unit: 'ms', kind: 'cost', atMost: 2 },
  'connect-redis': { what: 'the same, CPU of Redis', unit: 'µs', kind: 'cost' },
  ticket: { what: 'ticket issued', unit: 'µs', kind: 'cost', atMost: 1.8 },
  refusal: { what: 'upgrade refused, garbage ticket', unit: 'µs', kind: 'cost', atMost: 1.5 },
  close: { what: 'close of one of thousands that drop at once', unit: 'µs', kind: 'cost', atMost: 3 },
  frame: { what: 'frame handled and answered, 32 in flight', unit: 'µs', kind: 'cost', atMost: 1.5 },
  'delivery-one': {
    what: 'frame to one of 1,000 sockets, one answer',
    unit: 'µs',
    kind: 'cost',
    atMost: 1.5,
  },
  'delivery-four': {
    what: 'frame to one of 1,000 sockets, four answers',
    unit: 'µs',
    kind: 'cost',
    atMost: 1,
  },
  'delivery-nodes': { what: 'the same on two nodes', unit: 'µs', kind: 'cost', atMost: 1 },
  token: { what: 'token of a model, 60 answers at 50 a second', unit: 'µs', kind: 'cost', atMost: 1.5 },
  memory: { what: 'idle connection, resident memory', unit: 'KiB', kind: 'cost', atMost: 1.6 },
  'accepted-p50': { what: '`message.send` to `message.accepted`, alone, p50', unit: 'ms', kind: 'clock' },
  'accepted-p99': { what: 'the same, p99', unit: 'ms', kind: 'clock' },
  'accepted-50-p50': { what: 'the same, 50 at once, p50', unit: 'ms', kind: 'clock' },
  'accepted-50-p99': { what: 'the same, 50 at once, p99', unit: 'ms', kind: 'clock' },
  'words-p50': { what: 'first words when 200 ask at once, p50', unit: 'ms', kind: 'clock' },
  'words-p99': { what: 'the same, p99', unit: 'ms', kind: 'clock' },
  'return-time': { what: 'all back after a mass drop', unit: 'ms', kind: 'clock' },
  'return-refused': { what: 'of them refused', unit: '', kind: 'count', atMost: 0 },
} as const satisfies Record<string, Row>;

export type RowId = keyof typeof ROWS;
export const ROW_IDS = Object.keys(ROWS) as RowId[];

export function rowOf(id: RowId): Row {
  return ROWS[id];
}
