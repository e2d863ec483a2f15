import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { LaunchError } from '../launch-error.js';

const replacement = { find: z.string().min(1), replace: z.string() };

const mutantSchema = z.strictObject({
  /** What the faulty server does, as a sentence without its subject: "honours a ticket twice". */
  name: z.string().min(1),
  /** Source file, below the project. */
  file: z.string().regex(/^src\/.+\.ts$/),
  /** A piece that the file contains exactly once, and its replacement. */
  ...replacement,
  /** Further changes in the same file that complete the fault. */
  also: z.array(z.strictObject(replacement)).default([]),
  /** Spec files, below the project, of which at least one must fail. */
  specs: z.array(z.string().regex(/spec\.tsx?$/)).min(1),
  /** Regular expression for the names of the tests to run; without it all tests of the files run. */
  tests: z.string().min(1).optional(),
});

/** A fault to plant: a small change of one file, and the specs that should find it. */
export type Mutant = z.infer<typeof mutantSchema>;

/** The faults in the YAML files of a folder. @throws {LaunchError} for one that cannot be read. */
export function readMutants(folder: string): Mutant[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return files.flatMap((file) => {
    const parsed = z.array(mutantSchema).safeParse(parse(readFileSync(join(folder, file), 'utf8')));
    if (!parsed.success) throw new LaunchError(`${file}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  });
}

/** The source with the fault in it. @throws {LaunchError} unless each piece to change occurs exactly once. */
export function plant({ name, file, find, replace, also }: Mutant, source: string): string {
  let planted = source;
  for (const change of [{ find, replace }, ...also]) {
    const count = planted.split(change.find).length - 1;
    if (count !== 1) {
      throw new LaunchError(`"${name}": expected once in ${file}, found ${count} times: ${change.find}`);
    }
    // A function, because replace() interprets "$" in a text.
    planted = planted.replace(change.find, () => change.replace);
  }
  return planted;
}
