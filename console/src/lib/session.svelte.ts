// Who uses the console. Undefined as long as it is not known, null for nobody.

import { ApiError, get, post, whenSignedOut } from './api';
import { setUnit, type Unit } from './format';
import { forgetKeys } from './keys';
import type { Me, Role } from './types';

const ranks: Record<Role, number> = { user: 0, admin: 1, root: 2 };

let me = $state<Me | null | undefined>(undefined);

export function who(): Me | null | undefined {
  return me;
}

export function may(role: Role): boolean {
  return !!me && ranks[me.role] >= ranks[role];
}

export async function findMe(): Promise<void> {
  const findUnit = get<Unit>('/money').then(setUnit);
  try {
    [me] = await Promise.all([get<Me>('/me'), findUnit]);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    await findUnit;
    me = null;
  }
}

export async function logIn(name: string, password: string): Promise<void> {
  me = await post<Me>('/login', { name, password });
}

export async function signUp(name: string, password: string, invitation: string): Promise<void> {
  me = await post<Me>('/sign-up', { name, password, invitation });
}

export async function logOut(): Promise<void> {
  await post('/logout');
  forgetKeys();
  me = null;
}

whenSignedOut(() => (me = null));
