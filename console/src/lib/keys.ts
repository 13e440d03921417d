// Keys of tokens that were made in this tab, for the playground and the ready lines. They go with the tab.

const NAME = 'canalgate.keys';

function all(): Record<string, string> {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}

export function knownKey(tokenId: number): string | undefined {
  return all()[tokenId];
}

export function keepKey(tokenId: number, key: string): void {
  sessionStorage.setItem(NAME, JSON.stringify({ ...all(), [tokenId]: key }));
}

export function forgetKeys(): void {
  sessionStorage.removeItem(NAME);
}
