// Values, times and counts as text.
import type { Parameter, Value } from './api/types.ts';

/** Five significant digits: what a glance can take in; tables show the whole value. */
export function formatValue(value: Value | undefined, parameter?: Pick<Parameter, 'kind' | 'labels'>): string {
  if (value === undefined || value === null) return '—';
  if (parameter?.kind === 'time' && typeof value === 'number') return formatTime(value);
  if (parameter?.kind === 'enumerated' && typeof value === 'number') return parameter.labels?.[value] ?? String(value);
  if (parameter?.kind === 'boolean' && typeof value === 'boolean') return parameter.labels?.[Number(value)] ?? String(value);
  return typeof value === 'number' ? formatNumber(value) : String(value);
}

export function formatNumber(value: number): string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(1);
  return value.toFixed(size >= 1000 ? 1 : size >= 10 ? 2 : 3);
}

/** Bounded to four characters and a letter: 9876, 12.3k, 4.56M. */
export function formatCount(value: number): string {
  const scaled = (divisor: number, letter: string) => `${(value / divisor).toPrecision(3)}${letter}`;
  if (value < 10_000) return value % 1 === 0 ? String(value) : value.toFixed(1);
  if (value < 1e6) return scaled(1e3, 'k');
  return value < 1e9 ? scaled(1e6, 'M') : scaled(1e9, 'G');
}

export function formatRate(octetsPerSecond: number): string {
  const bits = octetsPerSecond * 8;
  if (bits < 1000) return `${bits.toFixed(0)} bit/s`;
  if (bits < 1e6) return `${(bits / 1e3).toFixed(1)} kbit/s`;
  return `${(bits / 1e6).toFixed(2)} Mbit/s`;
}

/** `2026-11-23 06:30:00.250Z`, without the fraction where it is none. */
export function formatTime(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString().replace('T', ' ');
  return milliseconds % 1000 === 0 ? text.replace('.000Z', 'Z') : text;
}

export const formatClock = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(11, 19);

export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
