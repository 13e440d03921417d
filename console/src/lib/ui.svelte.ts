// What any page may say to the reader: a question before a deed, and a word after it.

import { reason } from './format';

export type Question = { title: string; text: string; yes: string; danger: boolean; answer: (yes: boolean) => void };

export const ui = $state<{ question: Question | null; said: { id: number; text: string; bad: boolean }[] }>({
  question: null,
  said: [],
});

/** Ask and wait for the answer. */
export function confirmed(title: string, text: string, yes: string, danger = true): Promise<boolean> {
  return new Promise((resolve) => {
    ui.question = {
      title,
      text,
      yes,
      danger,
      answer: (is) => {
        ui.question = null;
        resolve(is);
      },
    };
  });
}

let last = 0;

export function say(text: string, bad = false): void {
  const id = ++last;
  ui.said.push({ id, text, bad });
  setTimeout(() => (ui.said = ui.said.filter((one) => one.id !== id)), bad ? 9000 : 4000);
}

/** Do something; what goes wrong is said. Returns whether it went well. */
export async function attempt(act: () => Promise<unknown>, done = ''): Promise<boolean> {
  try {
    await act();
  } catch (error) {
    say(reason(error), true);
    return false;
  }
  if (done) say(done);
  return true;
}

/** Put text on the clipboard, also where the page is not on HTTPS. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
