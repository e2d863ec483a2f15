import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { LaunchError } from '../launch-error.js';

const replacement = { find: z.string().min(1), replace: z.string() };

const mutantSchema = z.strictObject({
  /** What the fault is, as a sentence without a subject that is the server's: "honours a ticket twice". */
  name: z.string().min(1),
  /** Source file, below the project. */
  file: z.string().regex(/^src\/.+\.ts$/),
  /** A piece of the file that is there exactly once, and what stands there instead. */
  ...replacement,
  /** What else has to change in the same file for the fault to be whole. */
  also: z.array(z.strictObject(replacement)).default([]),
  /** Spec files, below the project, of which one at least must fail. */
  specs: z.array(z.string().regex(/spec\.tsx?$/)).min(1),
  /** Part of the names of the tests that look there, a regular expression; without it all of the files' are run. */
  tests: z.string().min(1).optional(),
});

/** A fault to plant: a small change of one file, and who should find it. */
export type Mutant = z.infer<typeof mutantSchema>;

/** The faults that are kept in the YAML files of a folder. @throws {LaunchError} for one that cannot be read. */
export function readMutants(folder: string): Mutant[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return files.flatMap((file) => {
    const parsed = z.array(mutantSchema).safeParse(parse(readFileSync(join(folder, file), 'utf8')));
    if (!parsed.success) throw new LaunchError(`${file}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  });
}

/** The source with the fault in it. @throws {LaunchError} when a piece to change is not there exactly once. */
export function plant({ name, file, find, replace, also }: Mutant, source: string): string {
  let planted = source;
  for (const change of [{ find, replace }, ...also]) {
    const count = planted.split(change.find).length - 1;
    if (count !== 1) {
      throw new LaunchError(`"${name}": expected once in ${file}, found ${count} times: ${change.find}`);
    }
    // A function, because "$" in a text has a meaning for replace().
    planted = planted.replace(change.find, () => change.replace);
  }
  return planted;
}
