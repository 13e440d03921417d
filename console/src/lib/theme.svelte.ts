// Light, dark, or as the system has it.

import { recall, remember } from './kept';

export type Theme = 'auto' | 'light' | 'dark';
export const themes: Theme[] = ['auto', 'light', 'dark'];

export const theme = $state<{ now: Theme }>({ now: 'auto' });

export function startTheme(): void {
  const kept = recall('theme') as Theme | null;
  setTheme(kept && themes.includes(kept) ? kept : 'auto');
}

export function setTheme(next: Theme): void {
  theme.now = next;
  document.documentElement.dataset.theme = next;
  remember('theme', next);
}
