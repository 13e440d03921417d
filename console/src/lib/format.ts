// Money, times and counts as people read them.

import { ApiError } from './api';
import { language, t, type Key } from './i18n.svelte';

export type Unit = { currency: string; per_dollar: string; quota_per_dollar: number };

let unit: Unit = { currency: 'USD', per_dollar: '1', quota_per_dollar: 500_000 };

/** In what money is shown and typed from now on; it is kept in quota. */
export function setUnit(given: Unit): void {
  unit = given;
}

/** Decimal text as a whole number of `digits` places; null for what is none or has more places. */
function scaled(text: string, digits: number): bigint | null {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (!match || (match[3] ?? '').length > digits) return null;
  const value = BigInt(match[2]! + (match[3] ?? '').padEnd(digits, '0'));
  return match[1] ? -value : value;
}

/** The nearest whole number; halves go away from 0. `whole` is above 0. */
function rounded(part: bigint, whole: bigint): bigint {
  const half = ((part < 0n ? -part : part) * 2n + whole) / (whole * 2n);
  return part < 0n ? -half : half;
}

/** A whole number of `digits` places as decimal text, without zeros at its end. */
function decimal(value: bigint, digits: number): string {
  const text = String(value < 0n ? -value : value).padStart(digits + 1, '0');
  const places = text.slice(text.length - digits).replace(/0+$/, '');
  return (value < 0n ? '-' : '') + text.slice(0, text.length - digits) + (places && digits ? `.${places}` : '');
}

const perDollar = (): bigint => scaled(unit.per_dollar, 6)!; // millionths
const places = 12;

/** Quota in the operator's unit: `$1.25`, small sums with as many digits as they need. */
export function money(quota: number | null): string {
  if (quota === null) return t('money.unlimited');
  const whole = Math.round(quota) || 0; // of axes
  const size = Math.abs((whole / unit.quota_per_dollar) * Number(unit.per_dollar));
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
  const sum = rounded(BigInt(whole) * perDollar() * 10n ** BigInt(places - 6), BigInt(unit.quota_per_dollar));
  return currency(decimal(sum, places), unit.currency, digits);
}

/** A sum as it is typed, in the operator's unit, to quota; NaN where it is no sum. */
export function quotaOf(typed: string): number {
  const text = typed.trim().replace(sign(), '').trim();
  const sum = scaled(text, 6);
  return sum === null ? NaN : Number(rounded(sum * BigInt(unit.quota_per_dollar), perDollar()));
}

/** Quota as it would be typed: the shortest sum that is this much. */
export function typedOf(quota: number): string {
  return shortest(BigInt(quota) * perDollar(), BigInt(unit.quota_per_dollar) * 1_000_000n, 6, (text) => quotaOf(text) === quota);
}

/** A price, which is kept as dollars in decimal text, in the operator's unit; and back. */
export function priceIn(dollars: string): string {
  const sum = scaled(dollars, places);
  if (sum === null) return dollars;
  return shortest(sum * perDollar(), 10n ** BigInt(places + 6), places, (text) => priceOf(text) === dollars);
}

export function priceOf(typed: string): string {
  const sum = scaled(typed, places);
  if (sum === null || unit.per_dollar === '1') return typed; // what is no number the gateway refuses, by its name
  return decimal(rounded(sum, perDollar()), 6);
}

/** A price as it is shown. */
export function price(dollars: string): string {
  return currency(priceIn(dollars), unit.currency, places);
}

function shortest(part: bigint, whole: bigint, most: number, is: (text: string) => boolean): string {
  let text = '';
  for (let digits = 0; digits <= most; digits++) {
    text = decimal(rounded(part * 10n ** BigInt(digits), whole), digits);
    if (is(text)) break;
  }
  return text;
}

/** What the operator's unit is called, and its sign. */
export function unitName(): string {
  return new Intl.DisplayNames(locale(), { type: 'currency' }).of(unit.currency) ?? unit.currency;
}

export function sign(): string {
  const form = new Intl.NumberFormat(locale(), { style: 'currency', currency: unit.currency, currencyDisplay: 'narrowSymbol' });
  return form.formatToParts(0).find((part) => part.type === 'currency')?.value ?? unit.currency;
}

/** So much of a currency that is given as decimal text; nothing is lost on the way. */
export function currency(amount: string, code: string, digits = 2): string {
  const style = { style: 'currency', currency: code, currencyDisplay: 'narrowSymbol' } as const;
  const least = new Intl.NumberFormat(locale(), style).resolvedOptions().maximumFractionDigits ?? 2;
  const form = new Intl.NumberFormat(locale(), { ...style, maximumFractionDigits: Math.max(least, digits) });
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
