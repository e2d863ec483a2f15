import { join } from 'node:path';
import type { Mutant } from '../../scripts/testing/mutant.js';
import { MutantCopy } from '../../scripts/testing/mutant-copy.js';
import type { Breach } from './judge.js';

/** Faults that must prevent the certificate: each breaks one promise, now and then or only at a bad moment. */
export type PlantedFault = 'drop-event' | 'acknowledge-early' | 'skip-fence' | 'refuse-crowd';

type Change = Pick<Mutant, 'file' | 'find' | 'replace'>;

export const PLANTED_FAULTS: Record<PlantedFault, { breaks: Breach; changes: readonly Change[] }> = {
  'drop-event': {
    breaks: 'holes',
    changes: [
      {
        file: 'src/chat/runs/acceptance.store.ts',
        find: 'to_jsonb(seq)), $6 FROM numbered',
        replace: 'to_jsonb(seq)), $6 FROM numbered WHERE random() > 0.01',
      },
    ],
  },
  'acknowledge-early': {
    breaks: 'lost',
    changes: [
      {
        file: 'src/chat/runs/acceptance.store.ts',
        find: 'return await this.database.run((dataSource) => storeQuestion(dataSource, request, []));',
        replace: `if (Math.random() > 0.02) return await this.database.run((dataSource) => storeQuestion(dataSource, request, []));
        return await this.database.transaction(async (manager) => {
          const acceptance = await storeQuestion(manager, request, []);
          await manager.query('ROLLBACK');
          await manager.query('BEGIN');
          return acceptance;
        });`,
      },
    ],
  },
  'skip-fence': {
    breaks: 'wrongText',
    changes: [
      {
        file: 'src/chat/runs/run-event.store.ts',
        find: 'runs.attempt = $3',
        replace: '$3::int IS NOT NULL',
      },
      {
        file: 'src/chat/runs/run.store.ts',
        find: `runs.attempt = held.attempt AND runs.status = 'running'
         RETURNING`,
        replace: `held.attempt IS NOT NULL AND runs.status = 'running'
         RETURNING`,
      },
      {
        file: 'src/chat/runs/run-lease.ts',
        find: "if (performance.now() >= this.validUntilMs) this.stop('lost');",
        replace: '',
      },
    ],
  },
  'refuse-crowd': {
    breaks: 'refused',
    changes: [
      {
        file: 'src/websocket/upgrade/upgrade-gate.service.ts',
        find: 'const MAX_PENDING = 10_000;',
        replace: 'const MAX_PENDING = 5;',
      },
    ],
  },
};

/** Builds the server with a fault. Returns the entry to start, and a function that removes the build. */
export function plantedServer(fault: PlantedFault, folder: string): { entry: string; remove(): void } {
  const copy = new MutantCopy(join(folder, fault));
  for (const change of PLANTED_FAULTS[fault].changes) {
    copy.plant({ ...change, name: fault, also: [], specs: [] });
  }
  return { entry: join(copy.folder, 'dist', 'src', 'main.js'), remove: () => copy.remove() };
}
