// Things that are fetched: what has come, what went wrong, whether it is still coming.

import { get, type Query } from './api';
import type { Page } from './types';

export class Loaded<T> {
  data = $state.raw<T>();
  error = $state.raw<unknown>();
  loading = $state(false);
  #turn = 0;

  constructor(private readonly fetch: () => Promise<T>) {}

  /** Fetch anew. What was there stays until the new has come; only the latest answer counts. */
  async run(): Promise<void> {
    const turn = ++this.#turn;
    this.loading = true;
    try {
      const data = await this.fetch();
      if (turn === this.#turn) [this.data, this.error] = [data, undefined];
    } catch (error) {
      if (turn === this.#turn) this.error = error;
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }
}

/** A list that goes on with `more`. */
export class Listing<T> {
  rows = $state.raw<T[]>([]);
  next = $state.raw<string | null>(null);
  error = $state.raw<unknown>();
  loading = $state(false);
  loaded = $state(false);
  #turn = 0;
  #query: Query = {};

  constructor(
    private readonly path: string,
    private readonly limit = 100,
  ) {}

  async run(query: Query = {}): Promise<void> {
    this.#query = query;
    await this.#fetch(null);
  }

  async again(): Promise<void> {
    await this.#fetch(null);
  }

  async more(): Promise<void> {
    if (this.next) await this.#fetch(this.next);
  }

  async #fetch(after: string | null): Promise<void> {
    const turn = ++this.#turn;
    this.loading = true;
    try {
      const page = await get<Page<T>>(this.path, { limit: this.limit, ...this.#query, after });
      if (turn !== this.#turn) return;
      this.rows = after ? [...this.rows, ...page.data] : page.data;
      [this.next, this.error, this.loaded] = [page.next, undefined, true];
    } catch (error) {
      if (turn === this.#turn) this.error = error;
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }
}
