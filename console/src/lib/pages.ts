// The pages: where each is, who may see it, and the code that is loaded for it.

import type { Component } from 'svelte';
import type { Key } from './i18n.svelte';
import type { Role } from './types';

export type PageInfo = {
  path: string;
  label: Key;
  icon: string;
  least: Role;
  load: () => Promise<{ default: Component }>;
};

export const pages: PageInfo[] = [
  { path: '/', label: 'nav.overview', icon: 'overview', least: 'user', load: () => import('../pages/Overview.svelte') },
  { path: '/channels', label: 'nav.channels', icon: 'channels', least: 'admin', load: () => import('../pages/Channels.svelte') },
  { path: '/models', label: 'nav.models', icon: 'models', least: 'admin', load: () => import('../pages/Models.svelte') },
  { path: '/tokens', label: 'nav.tokens', icon: 'tokens', least: 'user', load: () => import('../pages/Tokens.svelte') },
  { path: '/users', label: 'nav.users', icon: 'users', least: 'admin', load: () => import('../pages/Users.svelte') },
  { path: '/codes', label: 'nav.codes', icon: 'codes', least: 'admin', load: () => import('../pages/Codes.svelte') },
  { path: '/logs', label: 'nav.logs', icon: 'logs', least: 'user', load: () => import('../pages/Logs.svelte') },
  { path: '/playground', label: 'nav.playground', icon: 'playground', least: 'user', load: () => import('../pages/Playground.svelte') },
  { path: '/settings', label: 'nav.settings', icon: 'settings', least: 'admin', load: () => import('../pages/Settings.svelte') },
  { path: '/account', label: 'nav.account', icon: 'account', least: 'user', load: () => import('../pages/Account.svelte') },
  { path: '/start', label: 'nav.start', icon: 'start', least: 'admin', load: () => import('../pages/Start.svelte') },
];

/** The page of a path; what stands behind its first part is the page's own matter. */
export function pageOf(path: string): PageInfo | undefined {
  return pages.find((one) => one.path === `/${path.split('/')[1] ?? ''}`);
}
