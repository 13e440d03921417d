// What settings and adapters say of themselves, in the reader's language where somebody has translated it. A text is
// found by its English, so that one that has changed stands in English until it is translated anew.

import { language } from './i18n.svelte';

let chinese = $state.raw<Record<string, string>>({});
let asked = false;

export function told(english: string): string {
  if (language() !== 'zh') return english;
  if (!asked) void load();
  return chinese[english] ?? english;
}

async function load(): Promise<void> {
  asked = true;
  chinese = (await import('../locales/terms.zh.json')).default;
}
