import { timeText } from '@retempo/workflows/domain';

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A duration for people, exact while it has at most two units: `7 d`, `1 h 30 min`, `2.1 s`, `50 ms`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1_000) * 1_000;
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${name}`);
  }
  return parts.join(' ');
}

/** Time that has passed, as a clock: `0:14`, `1:02:30`. */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${two(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** A whole number with blanks between thousands: `22 731`. */
export const count = (value: number): string => {
  const text = String(Math.round(value));
  return text.replaceAll(/\B(?=(?:\d{3})+$)/g, ' ');
};

/** A size in bytes: `512 B`, `1.4 MiB`. */
export function bytes(value: number): string {
  let scaled = value;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (scaled < 1_024) return `${Number(scaled.toFixed(1))} ${unit}`;
    scaled /= 1_024;
  }
  return `${Number(scaled.toFixed(1))} TiB`;
}

/** `2026-12-02 09:00 UTC`, as the sentences of the workflows have it: what is to come is never told too early. */
export const moment = (iso: string, now: number): string => timeText(Date.parse(iso), now);

/** `1 cause`, `3 causes`. */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** `5 %` of a fraction, at most one digit after the point. */
export const percent = (fraction: number): string => `${Number((fraction * 100).toFixed(1))} %`;
