/** Progress is not part of the result: standard output has the tables only. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
