/** Something outside the program is missing or in the way; the message is the one line that a person needs. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}

/** `LaunchError` speaks for itself; anything else is a fault of ours and keeps its stack. */
export function explain(error: unknown): string {
  if (error instanceof LaunchError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** One line for the person at the terminal. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
