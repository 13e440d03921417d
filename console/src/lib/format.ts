// Money, times and counts as people read them.

import { ApiError } from './api';
import { language, t, type Key } from './i18n.svelte';

export const QUOTA_PER_DOLLAR = 500_000;

/** Quota as dollars: `$1.25`, small sums with as many digits as they need. */
export function money(quota: number | null): string {
  if (quota === null) return t('money.unlimited');
  const dollars = quota / QUOTA_PER_DOLLAR;
  const digits = dollars === 0 || Math.abs(dollars) >= 1 ? 2 : Math.abs(dollars) >= 0.01 ? 4 : 6;
  const text = new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: digits });
  return `${dollars < 0 ? '-' : ''}$${text.format(Math.abs(dollars))}`;
}

/** Dollars as they are typed to quota; NaN where they are no sum. */
export function quotaOf(typed: string): number {
  const match = /^\s*\$?(-?\d{1,12})(?:\.(\d{0,6}))?\s*$/.exec(typed);
  if (!match) return NaN;
  const micro = Number((match[2] ?? '').padEnd(6, '0')) / 2;
  const whole = Number(match[1]) * QUOTA_PER_DOLLAR;
  return match[1]!.startsWith('-') ? whole - Math.ceil(micro) : whole + Math.ceil(micro);
}

export function dollarsOf(quota: number): string {
  return String(Number((quota / QUOTA_PER_DOLLAR).toFixed(6)));
}

/** So much of a currency that is given as decimal text, to the last cent; nothing is lost on the way. */
export function currency(amount: string, code: string): string {
  const form = new Intl.NumberFormat(locale(), { style: 'currency', currency: code, currencyDisplay: 'narrowSymbol', maximumFractionDigits: 2 });
  return form.format(amount as Intl.StringNumericLiteral);
}

/** How long ago unix seconds were: 5 min. ago. */
export function age(seconds: number): string {
  const since = Math.max(0, Math.floor(Date.now() / 1000) - seconds);
  const [unit, one] = ([['day', 86_400], ['hour', 3600], ['minute', 60]] as const).find(([, size]) => since >= size) ?? ['second', 1];
  return new Intl.RelativeTimeFormat(locale(), { style: 'short', numeric: 'auto' }).format(-Math.floor(since / one), unit);
}

export function count(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

/** A number in little room: 12.3K. */
export function brief(value: number): string {
  const form = { notation: 'compact', maximumFractionDigits: 1 } as const;
  return Math.abs(value) < 10_000 ? count(Math.round(value * 100) / 100) : new Intl.NumberFormat('en', form).format(value);
}

export function share(part: number, whole: number): string {
  return whole ? `${((100 * part) / whole).toFixed(part && part * 1000 < whole * 5 ? 2 : 1)}%` : '–';
}

export function duration(ms: number | null): string {
  if (ms === null || Number.isNaN(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Unix seconds in the reader's own zone. */
export function time(seconds: number | null): string {
  if (seconds === null) return '–';
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(seconds * 1000);
}

export function exactTime(ms: number): string {
  const form = { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false } as const;
  return new Intl.DateTimeFormat(locale(), form).format(ms);
}

export function axisTime(seconds: number, spanS: number): string {
  const form: Intl.DateTimeFormatOptions =
    spanS < 86_400 ? { hour: '2-digit', minute: '2-digit', hour12: false } : { month: 'short', day: 'numeric' };
  return new Intl.DateTimeFormat(locale(), form).format(seconds * 1000);
}

/** Unix seconds as an input of type datetime-local has them, and back. */
export function localTime(seconds: number | null): string {
  if (seconds === null) return '';
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function secondsOf(local: string): number | null {
  return local ? Math.floor(new Date(local).getTime() / 1000) : null;
}

/** What went wrong, in the reader's words where the code is known, else in the gateway's. */
export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error instanceof Error ? error.message : error);
  const key = `error.${error.code}`;
  const told = t(key as Key, { seconds: error.retryAfter, message: error.message });
  return told === key ? error.message || t('error.status', { status: error.status }) : told;
}

function locale(): string {
  return language() === 'zh' ? 'zh-CN' : 'en';
}
