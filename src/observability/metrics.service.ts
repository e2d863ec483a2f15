import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { Injectable } from '@nestjs/common';
import {
  KNOWN_CLOSE_CODES,
  LIMIT_LABELS,
  REFUSAL_REASONS,
  SENT_FRAME_TYPES,
  TICKET_EVENTS,
} from './label-values.js';

/**
 * Every metric that a node exports. Label values come from closed lists in our own code: nothing that a client sends
 * becomes a label.
 */
@Injectable()
export class MetricsService {
  readonly registry = new Registry();
  /** Frames sent since the metrics were last read, by type. */
  private readonly sentFrames = new Map(SENT_FRAME_TYPES.map((type) => [type, { count: 0 }]));

  readonly connections = this.gauge('chat_ws_connections', 'Open sockets of this node');
  readonly upgrades = this.counter('chat_ws_upgrades_total', 'WebSocket upgrades', ['outcome', 'reason']);
  readonly closes = this.counter('chat_ws_closes_total', 'Closed sockets', ['code', 'initiator']);
  readonly connectionDuration = this.histogram(
    'chat_ws_connection_duration_seconds',
    'How long sockets were open',
    [1, 10, 60, 300, 600, 1800, 3600, 14_400, 43_200],
  );
  readonly heartbeatRtt = this.histogram(
    'chat_ws_heartbeat_rtt_seconds',
    'From ping to pong',
    [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 10],
  );
  readonly authAttempts = this.counter(
    'chat_auth_attempts_total',
    'Decisions of the authentication service',
    ['path', 'outcome', 'reason'],
  );
  readonly tickets = this.counter('chat_tickets_total', 'Tickets by what happened to them', ['event']);
  readonly ticketAge = this.histogram(
    'chat_ticket_age_at_consume_seconds',
    'Age of tickets when they were used',
    [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120],
  );
  readonly messageLatency = this.histogram(
    'chat_message_latency_seconds',
    'From the frame or request to the stage',
    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5],
    ['stage'],
  );
  readonly firstDelta = this.histogram(
    'chat_first_delta_seconds',
    'From the start of a run to its first delta',
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  );
  readonly runs = this.counter('chat_runs_total', 'Ended runs', ['outcome']);
  readonly runsWaiting = this.gauge('chat_runs_waiting', 'Runs of all nodes that wait in the queue');
  readonly runTakeovers = this.counter('chat_run_takeovers_total', 'Runs taken over from another node');
  readonly resumes = this.counter('chat_resume_total', 'Resumed conversations', ['result']);
  readonly sessionsActive = this.gauge(
    'chat_sessions_active',
    'Distinct sessions with a socket on this node',
  );
  readonly revocationClose = this.histogram(
    'chat_revocation_close_seconds',
    'From the end of a session to the close of its sockets',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30],
  );
  readonly breakerState = this.gauge('chat_breaker_state', '0 closed, 1 half-open, 2 open', ['dependency']);
  readonly redisUp = this.gauge('chat_redis_up', '1 while Redis does all that a node needs');
  readonly redisEvictsKeys = this.gauge(
    'chat_redis_evicts_keys',
    '1 while Redis may evict keys, 0 while not, -1 while it does not tell',
  );
  readonly postgresUp = this.gauge('chat_postgres_up', '1 while Postgres does all that a node needs');
  readonly clockSkew = this.gauge(
    'chat_clock_skew_seconds',
    'How far the clock of this node is ahead of that of Redis',
  );
  readonly flagEnabled = this.gauge('chat_flag_enabled', '1 while a flag is on', ['flag']);
  readonly legacyAuth = this.counter('chat_legacy_auth_total', 'Sign-ins by an old method', [
    'method',
    'client',
  ]);
  readonly legacySunset = this.gauge(
    'chat_legacy_sunset_timestamp_seconds',
    'When the old methods were to be deleted, in seconds since 1970',
  );
  readonly slowConsumers = this.counter('chat_slow_consumers_total', 'Sockets closed for not reading');
  readonly frames = this.counter('chat_frames_total', 'Frames', ['direction', 'type'], () => this.addSent());
  readonly rateLimited = this.counter(
    'chat_rate_limited_total',
    'Refusals by a limit that stands before a decision',
    ['limit'],
  );
  readonly auditDropped = this.counter(
    'chat_audit_dropped_total',
    'Audit rows lost because their buffer was full',
  );

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.beginAtZero();
  }

  /** Prometheus sees no increase in a counter that first appears as 1, so the first replay would raise no alert. */
  private beginAtZero(): void {
    for (const reason of REFUSAL_REASONS) this.upgrades.inc({ outcome: 'refused', reason }, 0);
    for (const event of TICKET_EVENTS) this.tickets.inc({ event }, 0);
    for (const limit of LIMIT_LABELS) this.rateLimited.inc({ limit }, 0);
    for (const outcome of ['completed', 'failed', 'cancelled']) this.runs.inc({ outcome }, 0);
    for (const code of KNOWN_CLOSE_CODES) {
      for (const initiator of ['client', 'server']) this.closes.inc({ code: String(code), initiator }, 0);
    }
  }

  /** Called for each socket and frame, also of a broadcast: the tally takes 8 ns, the counter itself 350 ns. */
  frameSent(type: string): void {
    const tally = this.sentFrames.get(type) ?? this.sentFrames.get('other')!;
    tally.count += 1;
  }

  /** Adds the tally to the counter. */
  private addSent(): void {
    for (const [type, tally] of this.sentFrames) {
      this.frames.inc({ direction: 'out', type }, tally.count);
      tally.count = 0;
    }
  }

  private counter<T extends string>(
    name: string,
    help: string,
    labelNames: readonly T[] = [],
    collect: () => void = () => undefined,
  ): Counter<T> {
    return new Counter({ name, help, labelNames, collect, registers: [this.registry] });
  }

  private gauge<T extends string>(name: string, help: string, labelNames: readonly T[] = []): Gauge<T> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  private histogram<T extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly T[] = [],
  ): Histogram<T> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.registry] });
  }
}
