/**
 * Loaded only into the nodes of tests, with `node --import`: records who calls each function that can decide about a
 * credential. It changes no arguments or results, and no shipped file refers to it. `?into=` names its output file.
 */
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { URL, URLSearchParams } from 'node:url';

const RECORD = new URLSearchParams(import.meta.url.split('?')[1]).get('into');
const DIST = new URL('../../dist/', import.meta.url).href;
/** Enough stack frames to reach the caller of a password check. */
const STACK_DEPTH = 30;

/** Number of sightings that are not written yet, by their line. */
const counts = new Map();

/** Writes a line at the first sighting, so that a killed node has written it; the rest of the count at the end. */
function note(sighting) {
  const key = JSON.stringify(sighting);
  const count = counts.get(key);
  if (count === undefined) write(sighting, 1);
  counts.set(key, (count ?? -1) + 1);
}

function write(sighting, count) {
  appendFileSync(RECORD, `${JSON.stringify({ ...sighting, count })}\n`);
}

process.on('exit', () => {
  for (const [key, count] of counts) if (count > 0) write(JSON.parse(key), count);
});

function stack() {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder = {};
  Error.prepareStackTrace = (_error, frames) => frames;
  Error.stackTraceLimit = STACK_DEPTH;
  Error.captureStackTrace(holder, stack);
  const frames = holder.stack;
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  return frames;
}

/** The nearest class or function of ours in the stack outside the called file, or that file when there is none. */
function callerOf(home) {
  const frames = stack().flatMap((frame) => {
    const file = frame.getFileName() ?? '';
    if (!file.startsWith(`${DIST}src/`)) return [];
    return [{ file, type: frame.getTypeName(), name: frame.getFunctionName() }];
  });
  const nearest = frames.find(({ file }) => file !== DIST + home);
  const file = (nearest?.file ?? DIST + home).slice(DIST.length).replace(/\.js$/, '.ts');
  // An arrow function has no receiver: its class is further up the stack.
  const own = frames.filter((frame) => frame.file === nearest?.file);
  const caller = own.find(({ type }) => /^[A-Z]/.test(type ?? '') && !(type in globalThis))?.type;
  return { caller: caller ?? nearest?.name ?? file, file };
}

/** Wraps a function of `owner` to record its calls; `home` is the file that defines it. Throws when it is missing. */
function watch(owner, method, home, describe) {
  const original = owner[method];
  if (typeof original !== 'function') throw new Error(`the witness finds no ${method} in ${home}`);
  owner[method] = function (...args) {
    note({ ...describe(args), ...callerOf(home) });
    return original.apply(this, args);
  };
}

// Before any module of ours is loaded: an import from a CommonJS package binds the value that the package has then.
const argon2 = createRequire(import.meta.url)('@node-rs/argon2');
for (const method of ['verify', 'verifySync'])
  watch(argon2, method, 'src/auth/password.js', () => ({ primitive: `argon2.${method}` }));

const { JwtService } = await import('@nestjs/jwt');
const { AuthReportService } = await import(`${DIST}src/auth/auth-report.service.js`);
const { SessionService } = await import(`${DIST}src/session/session.service.js`);
const { TicketService } = await import(`${DIST}src/ticket/ticket.service.js`);

for (const [method, outcome] of Object.entries({ success: 'accepted', refusal: 'refused' }))
  watch(AuthReportService.prototype, method, 'src/auth/auth-report.service.js', ([path]) => ({
    primitive: `AuthReportService.${method}`,
    path,
    outcome,
  }));

const OTHERS = [
  [JwtService, '@nestjs/jwt', ['verify', 'verifyAsync', 'decode']],
  [TicketService, 'src/ticket/ticket.service.js', ['consume']],
  [SessionService, 'src/session/session.service.js', ['touch', 'touchById', 'check', 'rotate']],
];
for (const [{ name, prototype }, home, methods] of OTHERS)
  for (const method of methods) watch(prototype, method, home, () => ({ primitive: `${name}.${method}` }));
