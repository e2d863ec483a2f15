import type { AppLogger } from './logger.js';

/** Lets a promise run in the background. Its failure is logged once, under `event`. */
export function background(promise: Promise<unknown>, logger: AppLogger, event: string): void {
  promise.catch((error: unknown) => {
    logger.error(event, { error: error instanceof Error ? error.message : String(error) });
  });
}
