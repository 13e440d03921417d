// What adapters say of themselves.

import { told } from './terms.svelte';
import type { Adapter } from './types';

/** What a channel's key must be, where that is more than the field's own label says. */
export function keyHelp(adapter: Adapter | undefined): string {
  const help = adapter?.key_help ?? '';
  return /^api key$/i.test(help) ? '' : told(help);
}
