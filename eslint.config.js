import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import house from './eslint.house-rules.js';

const VERIFIER = 'src/auth/unified-authentication.service.ts';
const SPECS = ['**/*.spec.ts', '**/*.spec.tsx', 'test/**'];
// Whatever decides who may come in.
const GATES = ['src/auth/**', 'src/ticket/**', 'src/session/**', 'src/identity/**', 'src/websocket/**'];

export default defineConfig(
  { ignores: ['dist', 'coverage', '.admit-one', 'node_modules'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' }, plugins: { house } },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { requireDefaultForNonUnion: true, considerDefaultExhaustiveForUnions: false },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // An interface may promise a promise where one implementation has nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      'house/no-empty-catch': 'error',
    },
  },
  {
    files: ['src/**', 'client/**', 'web/**', 'protocol/**', 'migrations/**'],
    ignores: SPECS,
    rules: {
      'no-console': 'error',
      'house/no-ignored-rejection': 'error',
      'house/no-numeric-close-code': 'error',
      'house/no-process-env': 'error',
      'house/no-environment-branch': 'error',
    },
  },
  {
    files: ['src/**'],
    ignores: SPECS,
    rules: {
      // In the server even `void` is not an answer: a promise is awaited or handed to background().
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      'house/no-bypass': 'error',
      'house/no-second-verifier': 'error',
      'house/no-echoed-credential': 'error',
      'house/no-redis-key-literal': 'error',
      'house/no-exported-store': 'error',
      'house/few-dependencies': 'error',
      'house/role-in-name': 'error',
      'house/user-context-from-session': ['error', { home: VERIFIER }],
    },
  },
  { files: ['src/**/index.ts'], rules: { 'house/no-barrel': 'error' } },
  { files: GATES, ignores: SPECS, rules: { 'house/no-fallback': 'error' } },
  { files: [VERIFIER], rules: { 'house/no-second-verifier': 'off', 'house/no-open-failure': 'error' } },
  { files: ['src/config/config.ts'], rules: { 'house/no-process-env': 'off' } },
  { files: ['src/redis/redis-keys.ts'], rules: { 'house/no-redis-key-literal': 'off' } },
  { files: ['protocol/**'], rules: { 'house/no-numeric-close-code': 'off' } },
  {
    files: ['client/**', 'web/**'],
    ignores: [...SPECS, 'client/src/chat-client.ts'],
    rules: { 'house/no-second-socket': 'error', 'no-restricted-globals': ['error', 'WebSocket'] },
  },
  {
    // Answers of the system under test arrive as unknown JSON; a spec may look into them without a parser.
    files: SPECS,
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.{js,cjs,mjs}'],
    languageOptions: { globals: { module: 'writable', process: 'readonly', console: 'readonly' } },
  },
);
