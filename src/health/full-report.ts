import type { DependencyState } from './dependency-probe.service.js';
import type { Warning } from './warning.service.js';

type States = Record<string, DependencyState>;

/** `HealthCheckResult` of `@nestjs/terminus`, extended with the state `loading` and with warnings. */
export interface FullReport {
  /** `degraded` while the responder is down: everything else works. */
  status: 'ok' | 'degraded' | 'error';
  info: States;
  error: States;
  details: States;
  warnings: Warning[];
}

/** @param required the node cannot serve without these; without one of `useful` it serves in part. */
export function fullReport(required: States, useful: States, warnings: Warning[]): FullReport {
  const details = { ...required, ...useful };
  const areUp = (states: States) => Object.values(states).every(({ status }) => status === 'up');
  const only = (isWanted: (state: DependencyState) => boolean) =>
    Object.fromEntries(Object.entries(details).filter(([, state]) => isWanted(state)));
  return {
    status: !areUp(required) ? 'error' : areUp(useful) ? 'ok' : 'degraded',
    info: only(({ status }) => status === 'up'),
    error: only(({ status }) => status !== 'up'),
    details,
    warnings,
  };
}
