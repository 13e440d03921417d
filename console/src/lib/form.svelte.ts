// Sending a form: what was typed stays when it fails, and the field at fault says why.

import { ApiError, newKey } from './api';
import { reason } from './format';

export class Sending {
  busy = $state(false);
  wrong = $state.raw<{ field: string; text: string } | null>(null);
  /** Makes a form that is sent twice one deed; new after each success. */
  once = newKey();

  /** Returns whether it went well. */
  async run(act: (once: string) => Promise<unknown>): Promise<boolean> {
    this.busy = true;
    this.wrong = null;
    try {
      await act(this.once);
      this.once = newKey();
      return true;
    } catch (error) {
      // An answer that says no is kept under its key; what is mended is another request.
      if (error instanceof ApiError && error.status) this.once = newKey();
      this.wrong = { field: error instanceof ApiError ? error.param : '', text: reason(error) };
      return false;
    } finally {
      this.busy = false;
    }
  }

  refuse(field: string, text: string): false {
    this.wrong = { field, text };
    return false;
  }

  /** What is wrong with a field; `base_url` covers `base_url.x` too. */
  of(field: string): string {
    const at = this.wrong?.field ?? '';
    return at === field || at.startsWith(`${field}.`) || at.startsWith(`${field}[`) ? this.wrong!.text : '';
  }

  /** What is wrong with the form as a whole: of no field among those that show their own. */
  rest(...shown: string[]): string {
    return this.wrong && !shown.some((field) => this.of(field)) ? this.wrong.text : '';
  }
}
