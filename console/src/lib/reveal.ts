// The key of one's own token, where the gateway still has it.

import { post } from './api';

export async function revealKey(tokenId: number): Promise<string | undefined> {
  try {
    return (await post<{ key: string }>(`/tokens/${tokenId}/reveal`)).key;
  } catch {
    return undefined;
  }
}
