/**
 * No circle of folders, of any length, types included. A folder counts with all that is below it, so this cannot see that
 * `src/auth/legacy` is a room above the one in whose folder it stands: it is left out. The tiers of .dependency-cruiser.cjs
 * let nothing but the root import it, so no circle can lead through it.
 * Run with `depcruise --config .dependency-cruiser.folders.cjs src`.
 */
const { options } = require('./.dependency-cruiser.cjs');

module.exports = {
  forbidden: [
    {
      name: 'no-folder-circle',
      comment: 'types included',
      severity: 'error',
      scope: 'folder',
      from: { path: '^src' },
      to: { circular: true },
    },
  ],
  options: { ...options, exclude: { path: '^(dist|coverage|src/auth/legacy)/' } },
};
