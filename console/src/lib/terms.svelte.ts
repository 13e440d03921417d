// What the gateway says of settings, adapters and ways, in the reader's language where somebody has translated it. A
// text is found by its English, so that one that has changed stands in English until it is translated anew; `{}` in
// it stands for what differs from time to time.

import { language } from './i18n.svelte';

type Terms = { whole: Record<string, string>; forms: [RegExp, string][] };

let chinese = $state.raw<Terms>({ whole: {}, forms: [] });
let asked = false;

export function told(english: string): string {
  if (language() !== 'zh') return english;
  if (!asked) void load();
  const whole = chinese.whole[english];
  if (whole !== undefined) return whole;
  for (const [form, text] of chinese.forms) {
    const found = form.exec(english);
    if (found) return text.replace('{}', () => found[1] ?? '');
  }
  return english;
}

async function load(): Promise<void> {
  asked = true;
  const whole: Record<string, string> = (await import('../locales/terms.zh.json')).default;
  const forms = Object.entries(whole).filter(([english]) => english.includes('{}'));
  chinese = { whole, forms: forms.map(([english, text]) => [formOf(english), text]) };
}

function formOf(english: string): RegExp {
  const parts = english.split('{}').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('(.+)')}$`);
}
