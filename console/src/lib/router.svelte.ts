// Which page is shown: the address bar is the only memory of it, filters included.

export const BASE = '/console';

let address = $state.raw(read());

function read(): { path: string; query: URLSearchParams } {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : '/';
  return { path: path.replace(/\/+$/, '') || '/', query: new URLSearchParams(location.search) };
}

export function path(): string {
  return address.path;
}

export function query(): URLSearchParams {
  return address.query;
}

export function go(to: string): void {
  history.pushState(null, '', BASE + to);
  address = read();
  scrollTo(0, 0);
}

/** Put filters into the address bar without a step back for each; empty ones are left out. */
export function setQuery(values: Record<string, string | number | null | undefined>): void {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === '' || value === null || value === undefined) next.delete(name);
    else next.set(name, String(value));
  }
  const text = next.toString();
  history.replaceState(null, '', location.pathname + (text ? `?${text}` : ''));
  address = read();
}

addEventListener('popstate', () => (address = read()));

/** Links below /console change the page without loading it anew. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element | null)?.closest('a');
  const to = link?.getAttribute('href');
  if (!link || !to?.startsWith(BASE) || link.target || link.hasAttribute('download')) return;
  event.preventDefault();
  go(to.slice(BASE.length));
}
