// A value against its limits: one short bar, the allowed range in the middle, the levels towards the ends.
import { nothing, svg, type TemplateResult } from 'lit-html';
import type { Limits, Severity } from '../api/types.ts';
import { COLORS, SEVERITIES } from '../severity.ts';

const WIDTH = 64;

interface Zone {
  from: number;
  to: number;
  severity: Severity;
}

export function drawGauge(value: number | null, limits: Limits | null | undefined): TemplateResult | typeof nothing {
  const bounds = Object.values(limits ?? {}).flatMap((range) => range ?? []).filter((bound) => bound !== null);
  if (value === null || bounds.length === 0) return nothing;
  let low = Math.min(...bounds);
  let high = Math.max(...bounds);
  // Where one side is open there is room for what is allowed.
  const open = (side: 0 | 1) => Object.values(limits ?? {}).every((range) => (range?.[side] ?? null) === null);
  const room = 0.8 * Math.max(high - low, Math.abs(low), Math.abs(high)) || 1;
  if (open(0)) low -= room;
  if (open(1)) high += room;
  const margin = (high - low) * 0.15;
  low -= margin;
  high += margin;
  const x = (at: number) => (Math.min(Math.max((at - low) / (high - low), 0), 1) * WIDTH).toFixed(1);
  return svg`<svg class="pg-gauge" viewBox=${`0 0 ${WIDTH} 8`} aria-hidden="true">
    ${zones(limits!, low, high).map(
      ({ from, to, severity }) =>
        svg`<rect x=${x(from)} y="3" width=${Math.max(0, Number(x(to)) - Number(x(from)))} height="2" fill=${severity === 'nominal' ? '#33485c' : COLORS[severity]} />`,
    )}
    <rect class="pg-gauge__mark" x=${Number(x(value)) - 1} y="0" width="2" height="8" />
  </svg>` as unknown as TemplateResult;
}

/** From the least severe level outwards, each painted over what the one before left outside its range. */
function zones(limits: Limits, low: number, high: number): Zone[] {
  const painted: Zone[] = [{ from: low, to: high, severity: 'nominal' }];
  for (const severity of SEVERITIES) {
    const range = severity === 'nominal' ? undefined : limits[severity];
    if (!range) continue;
    if (range[0] !== null) painted.push({ from: low, to: range[0], severity });
    if (range[1] !== null) painted.push({ from: range[1], to: high, severity });
  }
  return painted;
}
