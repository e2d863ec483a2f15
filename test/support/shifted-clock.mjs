/**
 * Loaded into a node with `node --import`: its clock is off by `?by=` milliseconds, like that of a machine without time
 * synchronization. SIGUSR2 sets it right.
 */
import { URLSearchParams } from 'node:url';

let shiftMs = Number(new URLSearchParams(import.meta.url.split('?')[1]).get('by'));
const RealDate = Date;
const now = () => RealDate.now() + shiftMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
});

process.on('SIGUSR2', () => {
  shiftMs = 0;
});
