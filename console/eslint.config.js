import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
  { ignores: ['node_modules'] },
  js.configs.recommended,
  ts.configs.recommendedTypeChecked,
  svelte.configs.recommended,
  {
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: { allowDefaultProject: ['*.js', 'vite.config.ts'] }, extraFileExtensions: ['.svelte'] },
    },
    rules: { 'no-undef': 'off' }, // TypeScript knows better
  },
  { files: ['**/*.svelte', '**/*.svelte.ts'], languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } } },
  {
    files: ['**/*.svelte'],
    rules: {
      // svelte-check knows the types of templates; here bindings and events in them are any.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      'svelte/no-unused-svelte-ignore': 'off', // svelte-check gives those warnings
    },
  },
  // Collections here are made, filled and read in one go, or replaced as a whole.
  { rules: { 'svelte/prefer-svelte-reactivity': 'off' } },
  { files: ['*.js'], ...ts.configs.disableTypeChecked },
);
