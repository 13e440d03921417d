// The client of the admin API, in one place: what is asked, and how what went wrong is told.

import type { Page } from './types';

const PREFIX = '/api/v1';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string = '',
    readonly param: string = '',
    readonly retryAfter: string = '',
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

let onSignedOut = (): void => {};

/** What to do when the session has ended. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

export function withQuery(path: string, query: Query = {}): string {
  const text = new URLSearchParams(
    Object.entries(query)
      .filter(([, value]) => value !== null && value !== undefined && value !== '')
      .map(([name, value]) => [name, String(value)]),
  ).toString();
  return PREFIX + path + (text ? `?${text}` : '');
}

/** Ask and return the response, which is not read yet. Raises ApiError. */
export async function send(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, '', 'unreachable');
  }
  if (response.ok) return response;
  const error = await asError(response);
  if (error.status === 401 && url.startsWith(PREFIX) && !/\/(login|setup|sign-up)$/.test(url)) onSignedOut();
  throw error;
}

async function asError(response: Response): Promise<ApiError> {
  let told: { message?: string; code?: string; param?: string } = {};
  try {
    told = ((await response.json()) as { error?: typeof told }).error ?? {};
  } catch {
    // a proxy between us answered by something else
  }
  const { message, code, param } = told;
  const wait = response.headers.get('Retry-After') ?? '';
  return new ApiError(response.status, message || response.statusText, String(code ?? ''), param ?? '', wait);
}

async function ask<T>(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
  const response = await send(method, url, body, headers);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const get = <T>(path: string, query?: Query): Promise<T> => ask<T>('GET', withQuery(path, query));
export const put = <T>(path: string, body: unknown): Promise<T> => ask<T>('PUT', withQuery(path), body);
export const patch = <T>(path: string, body: unknown): Promise<T> => ask<T>('PATCH', withQuery(path), body);
export const remove = (path: string): Promise<void> => ask<void>('DELETE', withQuery(path));

/** `once` is what makes the same form sent twice one deed. */
export function post<T>(path: string, body?: unknown, once?: string): Promise<T> {
  return ask<T>('POST', withQuery(path), body ?? {}, once ? { 'Idempotency-Key': once } : {});
}

/** Everything of a list, page by page; `most` pages at most. */
export async function all<T>(path: string, query: Query = {}, most = 20): Promise<T[]> {
  const rows: T[] = [];
  let after: string | null | undefined;
  for (let count = 0; count < most; count++) {
    const page: Page<T> = await get(path, { ...query, limit: 200, after });
    rows.push(...page.data);
    after = page.next;
    if (!after) break;
  }
  return rows;
}

export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const segment = encodeURIComponent;
