/**
 * Five projects, one per kind of suite. `unit` and `rules` need no engines; the others run on private engines that
 * `node dist/scripts/testing/test.js` starts, and on the built server in dist/.
 */

/** Legacy decorators with metadata, as tsc emits them for Nest; the modules stay ES modules. */
function swc(syntax) {
  return [
    '@swc/jest',
    {
      jsc: {
        parser: { syntax: 'typescript', decorators: true, tsx: syntax === 'tsx' },
        transform: { legacyDecorator: true, decoratorMetadata: true, react: { runtime: 'automatic' } },
        target: 'es2023',
        keepClassNames: true,
      },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    },
  ];
}

const base = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  transform: { '\\.ts$': swc('ts'), '\\.tsx$': swc('tsx') },
  // Sources import "./x.js", which is "./x.ts" on disk; packages in node_modules mean the .js file itself.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.js', '$1.ts', '$1.tsx'] },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.admit-one/'],
};

/** Starting two nodes, or unpacking an engine, takes seconds on a busy machine; a wait inside a test has its own, tighter limit. */
const withServers = { ...base, setupFilesAfterEnv: ['<rootDir>/test/support/time-limit.ts'] };

export default {
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: ['<rootDir>/{src,client,protocol,web,scripts,bench}/**/*.spec.{ts,tsx}'],
    },
    { ...withServers, displayName: 'e2e', testMatch: ['<rootDir>/test/{,certify/}*.e2e-spec.ts'] },
    { ...base, displayName: 'rules', testMatch: ['<rootDir>/test/rules/*.rules-spec.ts'] },
    { ...withServers, displayName: 'certify', testMatch: ['<rootDir>/test/certify/*.certify-spec.ts'] },
    { ...withServers, displayName: 'interop', testMatch: ['<rootDir>/test/interop/*.interop-spec.ts'] },
    { ...withServers, displayName: 'browser', testMatch: ['<rootDir>/test/browser/*.browser-spec.{ts,tsx}'] },
  ],
};
