// What this browser remembers for its reader. Storage may be forbidden; then nothing is remembered.

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`canalgate.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`canalgate.${name}`, value);
  } catch {
    // as above
  }
}
