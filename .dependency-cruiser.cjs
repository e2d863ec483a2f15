/**
 * Which file may import which. The rooms of src stand in tiers: an import goes down or stays level, never up.
 * Run with `depcruise --config .dependency-cruiser.cjs src protocol client web migrations`.
 */

/** Upper tiers first; the rooms of one tier may know each other, without a cycle. */
const TIERS = [
  ['health', 'admin', 'api-docs'],
  ['chat'],
  ['websocket'],
  ['auth'],
  ['ticket', 'session'],
  ['config', 'identity', 'errors', 'redis', 'database', 'resilience', 'observability', 'rollout'],
];

const SPEC = '\\.spec\\.tsx?$';
/** What puts the program together stands in src itself, above every room. */
const ROOT_FILES = '^src/[^/]+\\.ts$';
const DATA_SOURCE = '^src/database/data-source\\.ts$';
const JWT_HOMES = '^src/auth/(unified-authentication\\.service|auth\\.module)\\.ts$';

const rooms = (names) => `^src/(${names.join('|')})/`;
const packages = (...names) => `(^|/)node_modules/(@types/)?(${names.join('|')})/`;

/** Files of `from` may not import `to`. Specs may: they take what they need from anywhere. */
function never(name, comment, from, to) {
  const exempt = [SPEC, ...(from.except ?? [])];
  return { name, comment, severity: 'error', from: { path: from.path, pathNot: exempt }, to };
}

const tierRules = TIERS.slice(1).map((tier, index) => {
  const above = TIERS.slice(0, index + 1).flat();
  const target = { path: [rooms(above), ROOT_FILES] };
  return never(
    `tier-${tier[0]}`,
    `${tier.join(', ')} may not know ${above.join(', ')}`,
    { path: rooms(tier) },
    target,
  );
});

const roomList = TIERS.flat().join('|');

module.exports = {
  forbidden: [
    // 1. The graph is whole and has no cycle.
    { name: 'no-cycle', comment: 'types included', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan',
      comment: 'a file that nothing imports and that imports nothing',
      severity: 'error',
      from: { orphan: true, pathNot: [SPEC, '\\.d\\.ts$', '\\.config\\.(ts|js)$'] },
      to: {},
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-spec-import',
      comment: 'nothing that ships imports a spec',
      severity: 'error',
      from: { pathNot: SPEC },
      to: { path: SPEC },
    },
    never(
      'no-dev-dependency',
      'what runs is installed without them',
      { path: '^(src|migrations)/' },
      {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    ),

    // 2. The tiers.
    ...tierRules.map((rule) =>
      rule.name === `tier-${TIERS.at(-1)[0]}`
        ? // The data source lists the entities of every room; a row imports nothing upward.
          { ...rule, from: { ...rule.from, pathNot: [...rule.from.pathNot, DATA_SOURCE] } }
        : rule,
    ),
    never(
      'data-source-entities',
      'from the upper tiers the data source takes entities only',
      { path: DATA_SOURCE },
      {
        path: [rooms(TIERS.slice(0, -1).flat()), ROOT_FILES],
        pathNot: '\\.entity\\.ts$',
      },
    ),
    never(
      'room-without-tier',
      'a new room is given its tier in .dependency-cruiser.cjs',
      { path: `^src/(?!(${roomList})/|[^/]+\\.ts$)` },
      {},
    ),
    never(
      'protocol-imports-nothing',
      'both sides compile it',
      { path: '^protocol/' },
      { pathNot: '^protocol/' },
    ),
    never(
      'client-imports-protocol',
      'the client is a package of its own',
      { path: '^client/' },
      {
        path: '^(src|web|test|scripts|bench|migrations)/',
      },
    ),
    never(
      'web-imports-client',
      'the page reaches the server through the client',
      { path: '^web/' },
      {
        path: '^(src|protocol|test|scripts|bench|migrations)/',
      },
    ),
    never(
      'src-imports-no-program',
      'the server knows none of its users',
      { path: '^src/' },
      {
        path: '^(client|web|test|scripts|bench)/',
      },
    ),
    never(
      'migrations-stand-alone',
      'a migration says the same for ever',
      { path: '^migrations/' },
      {
        path: '^(src|protocol|client|web|test|scripts|bench)/',
      },
    ),

    // 3. One verifier, one decider.
    never(
      'one-verifier',
      'JWT libraries only where tokens are verified',
      { path: '^src/', except: [JWT_HOMES] },
      {
        path: packages('@nestjs/jwt', 'jsonwebtoken', 'jose', 'passport-jwt', 'fast-jwt'),
      },
    ),

    never(
      'one-decider',
      'who reports a decision about a credential has made one',
      { path: '^src/', except: [JWT_HOMES] },
      { path: '^src/auth/auth-report\\.ts$' },
    ),

    // 4. Engines behind stores, stores inside their room.
    never(
      'ioredis-homes',
      'Redis is spoken in stores, fan-out and health',
      {
        path: '^(src|migrations)/',
        except: ['^src/redis/', '\\.store\\.ts$', '^src/websocket/fan-out', '^src/health/'],
      },
      { path: packages('ioredis') },
    ),
    never(
      'sql-homes',
      'SQL is spoken in stores and entities',
      { path: '^src/', except: ['\\.(store|entity)\\.ts$', '^src/database/'] },
      { path: packages('typeorm', 'pg') },
    ),
    never(
      'stores-stay-home',
      'another room asks the service',
      { path: '^src/([^/]+)/', except: [DATA_SOURCE] },
      { path: '^src/.+\\.(store|entity)\\.ts$', pathNot: '^src/$1/' },
    ),
    never(
      'stores-stay-home-root',
      'the root wires modules',
      { path: ROOT_FILES },
      { path: '\\.(store|entity)\\.ts$' },
    ),

    // 5. Direction between files and between neighbours.
    never(
      'service-looks-down',
      'edges call services',
      { path: '\\.(service|store)\\.ts$' },
      {
        path: '\\.(controller|gateway|guard|adapter|filter)\\.ts$',
      },
    ),
    never(
      'store-below-service',
      'a store is called, it does not call',
      { path: '\\.(store|entity)\\.ts$' },
      {
        path: '\\.service\\.ts$',
        pathNot: '^src/(config|redis|database|resilience|observability)/',
      },
    ),
    never(
      'ticket-session-auth',
      'ticket and session know neither each other nor auth',
      { path: '^src/ticket/' },
      {
        path: '^src/(session|auth)/',
      },
    ),
    never(
      'session-ticket-auth',
      'ticket and session know neither each other nor auth',
      { path: '^src/session/' },
      {
        path: '^src/(ticket|auth)/',
      },
    ),
    never(
      'websocket-knows-no-chat',
      'sockets carry frames',
      { path: '^src/websocket/' },
      { path: '^src/chat/' },
    ),
  ],
  options: {
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '^(dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
