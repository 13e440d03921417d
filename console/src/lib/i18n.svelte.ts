// Texts in the reader's language. Each dictionary is a file of its own, loaded when it is wanted.

import type en from '../locales/en.json';
import { recall, remember } from './kept';

export type Key = keyof typeof en;
export type Language = 'en' | 'zh';
export const languages: Record<Language, string> = { en: 'English', zh: '中文' };

const loaders: Record<Language, () => Promise<{ default: Record<Key, string> }>> = {
  en: () => import('../locales/en.json'),
  zh: () => import('../locales/zh.json'),
};


let current = $state.raw<{ language: Language; texts: Record<string, string> }>({ language: 'en', texts: {} });

export function language(): Language {
  return current.language;
}

export async function startLanguage(): Promise<void> {
  const kept = recall('language');
  const own = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
  await setLanguage(kept === 'en' || kept === 'zh' ? kept : own);
}

export async function setLanguage(next: Language): Promise<void> {
  const { default: texts } = await loaders[next]();
  current = { language: next, texts };
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  remember('language', next);
}

/** The text of a key, `{name}` in it replaced by what is given. */
export function t(key: Key, given: Record<string, string | number> = {}): string {
  const text = current.texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(given[name] ?? ''));
}

/** The text of a key that is put together at run time; the word itself where there is none. */
export function word(area: string, name: string): string {
  return current.texts[`${area}.${name}`] ?? name;
}
