/**
 * Which file may import which. The rooms of src stand in tiers and the wings of a room in an order: an import goes down,
 * never up and never aside. .dependency-cruiser.folders.cjs looks for circles of folders.
 * Run with `depcruise --config .dependency-cruiser.cjs src protocol client web migrations`.
 */

/** Upper tiers first. Rooms of one tier do not know each other. */
const TIERS = [
  ['admin', 'api-docs', 'health', 'operations'],
  ['auth/legacy'],
  ['chat'],
  ['websocket'],
  ['auth'],
  ['responder', 'ticket', 'session'],
  ['rollout'],
  ['audit'],
  ['database', 'redis'],
  ['resilience'],
  ['errors'],
  ['observability'],
  ['config', 'identity'],
];

/** The wings of a room, likewise. The files beside them put the room together: they know its wings, no wing knows them. */
const WINGS = {
  chat: [['catch-up'], ['answers'], ['runs'], ['history']],
  websocket: [['drain'], ['upgrade'], ['fan-out'], ['connections'], ['frames'], ['socket']],
  responder: [['builtin', 'ollama', 'openai'], ['model'], ['contract']],
};

const SPEC = '\\.spec\\.tsx?$';
/** What puts the program together stands in src itself, above every room. */
const ROOT_FILES = '^src/[^/]+\\.ts$';
/** The list of all rows' classes: see `src/entities.ts`. */
const ENTITY_LIST = '^src/entities\\.ts$';
const JWT_HOMES = '^src/auth/(unified-authentication\\.service|auth\\.module)\\.ts$';

const packages = (...names) => `(^|/)node_modules/(@types/)?(${names.join('|')})/`;

/** Files of `from` may not import `to`. Specs may: they take what they need from anywhere. */
function never(name, comment, from, to) {
  const exempt = [SPEC, ...(from.except ?? [])];
  return { name, comment, severity: 'error', from: { path: from.path, pathNot: exempt }, to };
}

/** Of each folder of an order: no import of what stands above it or beside it. `inside` is the path before the names. */
function orderRules(name, order, inside, above) {
  const pathOf = (folder) => `^${inside}${folder}/`;
  return order.flatMap((level, index) =>
    level.map((folder) => {
      const forbidden = [...order.slice(0, index).flat(), ...level.filter((other) => other !== folder)];
      // A room that stands inside another one's folder is a room of its own.
      const own = order.flat().filter((other) => other.startsWith(`${folder}/`));
      return never(
        name,
        `${inside}${folder} may not know ${[...forbidden, 'what puts them together'].join(', ')}`,
        { path: pathOf(folder), except: own.map(pathOf) },
        // The room's own files are below a room that stands inside its folder.
        { path: [...forbidden.map(pathOf), ...above] },
      );
    }),
  );
}

const tierRules = orderRules('tier', TIERS, 'src/', [ROOT_FILES]);
const wingRules = Object.entries(WINGS).flatMap(([room, order]) =>
  orderRules('wing', order, `src/${room}/`, [`^src/${room}/[^/]+\\.ts$`]),
);

const roomList = TIERS.flat()
  .filter((room) => !room.includes('/'))
  .join('|');
const wingedRooms = Object.entries(WINGS).map(
  ([room, order]) => `${room}/(?!(${order.flat().join('|')})/|[^/]+\\.ts$)`,
);

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
    ...tierRules,
    ...wingRules,
    never(
      'entity-list-lists',
      'the list of entities imports entities',
      { path: ENTITY_LIST },
      { path: '^src/', pathNot: ['\\.entity\\.ts$', '^src/database/data-source\\.ts$'] },
    ),
    never(
      'room-without-tier',
      'a new room is given its tier in .dependency-cruiser.cjs',
      { path: `^src/(?!(${roomList})/|[^/]+\\.ts$)` },
      {},
    ),
    never(
      'wing-without-place',
      'a new wing of a room is given its place in .dependency-cruiser.cjs',
      { path: `^src/(${wingedRooms.join('|')})` },
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
      { path: '^src/auth/auth-report\\.service\\.ts$' },
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
      { path: '^src/([^/]+)/' },
      { path: '^src/.+\\.(store|entity)\\.ts$', pathNot: '^src/$1/' },
    ),
    never(
      'stores-stay-home-root',
      'the root wires modules',
      { path: ROOT_FILES, except: [ENTITY_LIST] },
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
