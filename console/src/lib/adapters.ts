// What adapters say of themselves.

import type { Adapter } from './types';

/** What a channel's key must be, where that is more than the field's own label says. */
export function keyHelp(adapter: Adapter | undefined): string {
  const told = adapter?.key_help ?? '';
  return /^api key$/i.test(told) ? '' : told;
}
