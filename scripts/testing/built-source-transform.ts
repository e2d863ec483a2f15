import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PROJECT_ROOT } from '../project.js';

/**
 * Gives Jest the built file instead of the source, so that unit specs and nodes run the same code and their coverage
 * can be added up.
 */
export default {
  process(_source: string, path: string): { code: string } {
    const built = relative(PROJECT_ROOT, path).replace(/\.ts$/, '.js');
    return { code: readFileSync(join(PROJECT_ROOT, 'dist', built), 'utf8') };
  },
};
