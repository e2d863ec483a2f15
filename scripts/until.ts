import { setTimeout as wait } from 'node:timers/promises';
import { LaunchError } from './launch-error.js';

const POLL_MS = 20;

/** Polls until the check is true; an error counts as false. @throws {LaunchError} naming what was waited for. */
export async function until(probe: () => Promise<boolean>, what: string, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  let failure: unknown;
  for (;;) {
    try {
      if (await probe()) return;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > deadline) {
      const reason = failure instanceof Error ? ` (${failure.message})` : '';
      throw new LaunchError(`waited ${limitMs / 1000} s for ${what}${reason}`);
    }
    await wait(POLL_MS);
  }
}
