// What can be added up of usage, and how sums are laid over time.

import { brief, money } from './format';
import type { Key } from './i18n.svelte';
import type { Sum } from './types';

export type Measure = 'requests' | 'tokens' | 'cost' | 'failures';

export const measures: Record<Measure, { label: Key; of: (row: Sum) => number; show: (value: number) => string }> = {
  requests: { label: 'overview.requests', of: (row) => row.requests, show: brief },
  tokens: { label: 'overview.tokens', of: (row) => row.prompt_tokens + row.completion_tokens, show: brief },
  cost: { label: 'overview.cost', of: (row) => row.cost, show: money },
  failures: { label: 'overview.failures', of: (row) => row.failures, show: brief },
};

/** The values at these times, 0 or null where there is nothing. */
export function filled(rows: Sum[], times: number[], read: (row: Sum) => number | null): (number | null)[] {
  const found = new Map<number, number | null>();
  for (const row of rows) {
    const value = read(row);
    const before = found.get(row.starts_at ?? 0);
    found.set(row.starts_at ?? 0, before == null ? value : before + (value ?? 0));
  }
  return times.map((time) => found.get(time) ?? null);
}
