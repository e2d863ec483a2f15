/**
 * The rules of the house that are about syntax and types; .dependency-cruiser.cjs holds those about imports.
 * Each is a rule of its own, so that one can be lifted for one file without losing the others.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A rule that reports every node that one of the selectors finds (https://eslint.org/docs/latest/extend/selectors). */
function forbid(message, ...selectors) {
  return {
    meta: { type: 'problem', schema: [] },
    create: (context) =>
      Object.fromEntries(
        selectors.map((selector) => [selector, (node) => context.report({ node, message })]),
      ),
  };
}

const SECRET = '/^(ticket|token|jwt|accessToken|refreshToken|bearer|password|secret|credentials?)$/';
const LOGGER = '/^(logger|log|audit)$/';
// Words of the contract's vocabulary that begin Redis keys and channels, and the old system's.
const KEY_WORDS =
  '(chat|ws|user|session|ticket|receipt|connection|conversation|event|message|run|delta|node|flag|limit)s?(_[a-z_]+)?';

/** What a file with a dot in its name may be. A decorator is a function, and so no class of that name. */
const ROLES = [
  'module',
  'controller',
  'gateway',
  'guard',
  'adapter',
  'filter',
  'service',
  'store',
  'entity',
  'responder',
  'registry',
  'provider',
  'pipe',
  'decorator',
];
/** Which classes Nest makes or reads. */
const ROLE_DECORATORS = new Set([
  'Injectable',
  'Module',
  'Controller',
  'WebSocketGateway',
  'Catch',
  'Entity',
]);

const rules = {
  'no-barrel': forbid('Import from the file that defines the thing: no index.ts here.', 'Program'),

  'no-process-env': forbid(
    'Settings are read in src/config/config.ts alone.',
    'MemberExpression[object.name="process"][property.name="env"]',
    'MemberExpression[object.name="process"][property.value="env"]',
    'VariableDeclarator[init.name="process"] Property[key.name="env"]',
    'ImportDeclaration[source.value=/^(node:)?process$/] ImportSpecifier[imported.name="env"]',
  ),
  'no-environment-branch': forbid(
    'Environments differ by settings; code does not ask which one it is in.',
    'Identifier[name=/^(NODE_ENV|nodeEnv|isProduction|isDevelopment|isStaging|isTest)$/]',
    'Literal[value=/^(NODE_ENV|production|staging|development)$/]',
  ),
  'no-bypass': forbid(
    'No variable, header, mode or build goes round authentication.',
    'Identifier[name=/(bypass|fast_?path|(skip|disable|mock|fake)_?(auth|ticket|session|token|verif))/i]',
    'Literal[value=/(bypass|fast_path|(skip|disable|mock|fake)[-_]?(auth|ticket|session|token)|e2e[-_]|test[-_]mode)/i]',
  ),
  'no-fallback': forbid(
    'One way in: what fails is refused, and no second way is tried.',
    'Identifier[name=/(fallback|resilient|tokenOnly|degraded)/i]',
  ),

  'no-second-verifier': forbid(
    'Tokens are verified in src/auth/unified-authentication.service.ts alone.',
    // A method of its own may have that name; what it calls may not.
    'CallExpression[callee.object.type!="ThisExpression"][callee.property.name=/^(verify|verifyAsync|createVerify|createHmac|jwtVerify|decodeJwt)$/]',
    'ImportDeclaration[source.value=/^(node:)?crypto$/] ImportSpecifier[imported.name=/^(verify|createVerify|createHmac)$/]',
    // Only a token is taken apart at its dots.
    'CallExpression[callee.property.name="split"] > Literal[value="."]',
  ),
  'no-open-failure': forbid(
    'Authentication fails closed: a failure is thrown on, never turned into an answer.',
    'CatchClause ReturnStatement[argument]',
    'CallExpression[callee.property.name="catch"]',
  ),
  'no-echoed-credential': forbid(
    'A credential never comes back: not in an answer, a message, a log line or a subprotocol.',
    `Property[key.name=/^(detail|message|reason)$/] TemplateLiteral > Identifier[name=${SECRET}]`,
    `Property[key.name=/^(detail|message|reason)$/] TemplateLiteral > MemberExpression[property.name=${SECRET}]`,
    `NewExpression[callee.name=/Error$/] TemplateLiteral > Identifier[name=${SECRET}]`,
    `CallExpression[callee.object.property.name=${LOGGER}] Property[key.name=${SECRET}]`,
    `CallExpression[callee.object.name=${LOGGER}] Property[key.name=${SECRET}]`,
    `CallExpression[callee.object.property.name=${LOGGER}] TemplateLiteral > Identifier[name=${SECRET}]`,
    // ws calls handleProtocols(offered, request): what it answers must be our own constant.
    'Property[key.name="handleProtocols"] SpreadElement',
    'Property[key.name="handleProtocols"] MemberExpression[property.name=/^(values|keys|next)$/]',
    'CallExpression[callee.property.name=/^(setHeader|header)$/] > Literal[value=/^sec-websocket-protocol$/i]',
  ),

  'no-redis-key-literal': forbid(
    'Redis keys and channels are made in src/redis/redis-keys.ts alone.',
    `:not(ImportDeclaration, ImportExpression, ExportAllDeclaration, ExportNamedDeclaration) > Literal[value=/^(${KEY_WORDS}):/]`,
    `TemplateLiteral > TemplateElement:first-child[value.raw=/^[a-z][a-z_]*:([^ ]|$)/][value.raw!=/^(https?|wss?|rediss?|postgres(ql)?|urn|node|file|data):/]`,
  ),
  'no-numeric-close-code': forbid(
    'Close codes have names in protocol/close-codes.ts.',
    'Literal[raw=/^(100[1-9]|101[0-5]|4[145]\\d\\d)$/]',
    'CallExpression[callee.property.name="close"] > Literal[raw=/^\\d+$/]',
    'BinaryExpression[left.property.name="code"] > Literal[raw=/^1\\d\\d\\d$/]',
    'BinaryExpression[left.name="code"] > Literal[raw=/^1\\d\\d\\d$/]',
  ),
  // no-empty lets a catch pass that holds a comment; a comment handles nothing.
  'no-empty-catch': forbid(
    'Catch where you can act; otherwise let it go up.',
    'CatchClause > BlockStatement[body.length=0]',
  ),
  'no-ignored-rejection': forbid(
    'A rejection is acted on or reported: hand the promise to background().',
    'CallExpression[callee.property.name="catch"] > :function > BlockStatement[body.length=0]',
    'CallExpression[callee.property.name="catch"] > ArrowFunctionExpression > Identifier.body[name="undefined"]',
  ),
  'no-exported-store': forbid(
    'A module exports services; stores and entities stay inside their folder.',
    'Decorator Property[key.name="exports"] Identifier[name=/(Store|Entity)$/]',
  ),
  'few-dependencies': forbid(
    'At most five parameters: a constructor with more is two rooms in one.',
    'MethodDefinition[kind="constructor"] > FunctionExpression[params.length>5]',
  ),
  'no-second-socket': forbid(
    'One place opens sockets: client/src/chat-client.ts.',
    'NewExpression[callee.name="WebSocket"]',
    'MemberExpression[object.name=/^(window|globalThis|self)$/][property.name="WebSocket"]',
  ),

  /** A class that Nest injects is `noun.role.ts`, with the role in its name; everything else is a plain noun. */
  'role-in-name': {
    meta: { type: 'problem', schema: [] },
    create(context) {
      const [noun = '', ...roles] = basename(context.filename).replace(/\.ts$/, '').split('.');
      const role = roles.join('.');
      const isKnown = ROLES.includes(role);
      return {
        Program(node) {
          if (role !== '' && !isKnown)
            context.report({ node, message: `No dot inside a noun: "${role}" is no role.` });
          if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(noun))
            context.report({ node, message: 'A file is named in small letters, with hyphens.' });
        },
        ClassDeclaration(node) {
          const marks = node.decorators.map(({ expression }) => expression.callee?.name);
          if (!marks.some((name) => ROLE_DECORATORS.has(name))) return;
          const name = node.id?.name ?? '';
          if (!isKnown)
            context.report({ node, message: `${name} is injected: its file is called noun.role.ts.` });
          else if (!name.toLowerCase().endsWith(role))
            context.report({ node, message: `${name} stands in a file of the role "${role}".` });
        },
      };
    },
  },

  /** Whoever makes a UserContext must hold the session that it speaks of: there is no way round the session. */
  'user-context-from-session': {
    meta: { type: 'problem', schema: [{ type: 'object', properties: { home: { type: 'string' } } }] },
    create(context) {
      const { program, esTreeNodeToTSNodeMap } = context.sourceCode.parserServices;
      const checker = program.getTypeChecker();
      const home = context.options[0].home;
      const isHome = context.filename.replaceAll('\\', '/').endsWith(home);
      const typeName = (type) => (type?.aliasSymbol ?? type?.symbol)?.name ?? '';
      const check = (node) => {
        if (!isHome) return context.report({ node, message: `A UserContext is made in ${home} alone.` });
        for (const scoped of scopesOf(context.sourceCode.getScope(node))) {
          for (const variable of scoped.variables) {
            const name = variable.defs[0]?.name;
            if (name === undefined || name.parent?.type === 'ClassDeclaration') continue;
            const tsNode = esTreeNodeToTSNodeMap.get(name);
            const type = checker.getNonNullableType(checker.getTypeAtLocation(tsNode));
            if (/Session(Record)?$/.test(typeName(type))) return;
          }
        }
        context.report({
          node,
          message: 'A UserContext is made from a session that was read, not from claims.',
        });
      };
      return {
        ObjectExpression(node) {
          const type = checker.getContextualType(esTreeNodeToTSNodeMap.get(node));
          if (type !== undefined && typeName(checker.getNonNullableType(type)) === 'UserContext') check(node);
        },
        'TSAsExpression > TSTypeReference[typeName.name="UserContext"]': check,
      };
    },
  },
};

/** The scopes from a node up to its outermost function; the module's own names prove nothing. */
function scopesOf(scope) {
  const scopes = [];
  for (let at = scope; at !== null && at.type !== 'module' && at.type !== 'global'; at = at.upper) {
    if (at.type !== 'class') scopes.push(at);
  }
  return scopes;
}

// ESLint's cache asks plugins for their version: without one, files that were clean under older rules would stay so.
const version = createHash('sha256')
  .update(readFileSync(import.meta.filename))
  .digest('hex');

export default { meta: { name: 'house', version }, rules };
