/** Something outside the program is missing or in the way; the message is one line for the user. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}

/** A `LaunchError` needs only its message; anything else is a bug and keeps its stack. */
export function explain(error: unknown): string {
  if (error instanceof LaunchError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** One line for the person at the terminal. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
