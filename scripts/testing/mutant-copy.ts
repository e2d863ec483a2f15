import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { type Mutant, plant } from './mutant.js';
import { PROJECT_ROOT } from '../project.js';

/** What the suites need in addition to the packages. */
const PARTS = [
  'src',
  'protocol',
  'migrations',
  'scripts',
  'test',
  'dist',
  'package.json',
  'tsconfig.json',
  'jest.config.js',
  '.env.example',
];

/** Compiles like the build, but one file by itself and without type checks. */
const COMPILER: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  isolatedModules: true,
  verbatimModuleSyntax: true,
};

/** A copy of the built tree into which faults are planted, one at a time. The tree itself is never changed. */
export class MutantCopy {
  constructor(readonly folder: string) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const part of PARTS) cpSync(join(PROJECT_ROOT, part), join(folder, part), { recursive: true });
    symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(folder, 'node_modules'));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Plants a fault in source and build. Returns a function that removes it. */
  plant(mutant: Mutant): () => void {
    const source = join(this.folder, mutant.file);
    const built = join(this.folder, 'dist', mutant.file.replace(/\.ts$/, '.js'));
    const [text, code] = [readFileSync(source, 'utf8'), readFileSync(built, 'utf8')];
    const planted = plant(mutant, text);
    writeFileSync(source, planted);
    writeFileSync(
      built,
      ts.transpileModule(planted, { compilerOptions: COMPILER, fileName: source }).outputText,
    );
    return () => {
      writeFileSync(source, text);
      writeFileSync(built, code);
    };
  }
}
