// A small plot of the last minutes: history once, then live values, with the limits as lines.
import uPlot from 'uplot';
import { rest } from '../api/rest.ts';
import type { Stream } from '../api/stream.ts';
import type { Parameter, Severity, Value } from '../api/types.ts';
import { paced } from '../paced.ts';
import { COLORS } from '../severity.ts';

const SPAN_MS = 15 * 60_000;
const POINTS = 600;
/** A silence longer than this is drawn as a hole. */
const HOLE_MS = 20_000;
/** Bounds the memory of a fast parameter; the oldest go first. */
const MOST_POINTS = 20_000;
/** The same as `data-ink` in style.css. */
const INK = ['#7cc4ff', '#f0b429', '#8fd6a4', '#d7a6ff'];

interface Series {
  t: number[];
  v: (number | null)[];
}

export const numberOf = (value: Value | undefined, { kind, labels }: Parameter): number | null => {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (kind === 'enumerated' && typeof value === 'string') return labels?.indexOf(value) ?? null;
  return null;
};

export function drawPlot(element: HTMLElement, stream: Stream, rows: readonly { parameter: Parameter; label: string }[]): () => void {
  const series = rows.map((): Series => ({ t: [], v: [] }));
  const plot = new uPlot(options(rows), [[]], element);
  const draw = paced(() => {
    const now = Date.now();
    series.forEach((one) => trim(one, now - SPAN_MS));
    plot.setData(uPlot.join(series.map(({ t, v }) => [t.map((at) => at / 1000), v] as uPlot.AlignedData), series.map(() => [1, 1])), false);
    plot.batch(() => {
      plot.setScale('x', { min: (now - SPAN_MS) / 1000, max: now / 1000 });
      const range = extent(series);
      if (range) plot.setScale('y', { min: range[0], max: range[1] });
    });
  }, 2);

  const load = async (): Promise<void> => {
    const end = Date.now();
    await Promise.all(
      rows.map(async ({ parameter }, index) => {
        const { samples } = await rest.history({ parameter: parameter.id, start: end - SPAN_MS, end, points: POINTS });
        const one = series[index]!;
        // What arrived live while the archive was asked is newer than all it sent.
        const newest = samples.at(-1)?.t ?? 0;
        const live = one.t.findIndex((t) => t > newest);
        const newer: Series = live < 0 ? { t: [], v: [] } : { t: one.t.slice(live), v: one.v.slice(live) };
        one.t = [];
        one.v = [];
        // A down-sampled point is drawn as its two extremes, so that no spike is lost.
        for (const { t, v, min, max } of samples) {
          const extremes = min == null || max == null || min === max ? [v] : [min, max];
          extremes.forEach((value, i) => push(one, t + i, numberOf(value, parameter)));
        }
        newer.t.forEach((t, i) => push(one, t, newer.v[i] ?? null));
      }),
    );
    draw();
  };

  const stops = rows.map(({ parameter }, index) =>
    stream.watch(parameter.id, (samples) => {
      for (const { t, v } of samples) push(series[index]!, t, numberOf(v, parameter));
      draw();
    }),
  );
  stops.push(
    stream.state.watch((state) => {
      if (state === 'live') load().catch((error: unknown) => console.warn('history:', error));
    }),
  );
  const size = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: element.clientHeight }));
  size.observe(element);
  const clock = setInterval(draw, 1000);
  return () => {
    clearInterval(clock);
    size.disconnect();
    stops.forEach((stop) => stop());
    draw.stop();
    plot.destroy();
  };
}

function push({ t, v }: Series, at: number, value: number | null): void {
  const last = t.at(-1);
  if (last !== undefined && at <= last) return;
  if (last !== undefined && at - last > HOLE_MS) {
    t.push(last + 1);
    v.push(null);
  }
  t.push(at);
  v.push(value);
  // Nothing is drawn, and so nothing trimmed, while the page is hidden.
  if (t.length > 2 * MOST_POINTS) {
    t.splice(0, MOST_POINTS);
    v.splice(0, MOST_POINTS);
  }
}

function trim(series: Series, since: number): void {
  let old = series.t.findIndex((t) => t >= since);
  if (old < 0) old = series.t.length;
  old = Math.max(old - 1, series.t.length - MOST_POINTS, 0);
  if (old > 0) {
    series.t.splice(0, old);
    series.v.splice(0, old);
  }
}

function extent(series: readonly Series[]): [number, number] | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (const { v } of series) {
    for (const value of v) {
      if (value === null || !Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return undefined;
  const margin = Math.max((high - low) * 0.12, Math.abs(high) * 1e-3, 1e-9);
  return [low - margin, high + margin];
}

function options(rows: readonly { parameter: Parameter; label: string }[]): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: '#6f8196',
    font: '10px system-ui, sans-serif',
    grid: { stroke: '#1b2734', width: 1 },
    ticks: { show: false },
  };
  return {
    width: 200,
    height: 100,
    padding: [6, 18, 0, 0],
    legend: { show: false },
    cursor: { show: true, y: false, points: { size: 5 }, drag: { x: false, y: false } },
    scales: { x: { time: true, auto: false }, y: { auto: false, range: (_, min, max) => [min ?? 0, max ?? 1] } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    axes: [
      { ...axis, size: 20, gap: 2, space: 50, values: (_, splits) => splits.map((at) => new Date(at * 1000).toISOString().slice(11, 16)) },
      { ...axis, size: 44, gap: 3, space: 28 },
    ],
    series: [{}, ...rows.map(({ label }, index): uPlot.Series => ({ label, stroke: INK[index % INK.length]!, width: 1.4, points: { show: false } }))],
    hooks: { drawAxes: [(plot) => drawLimits(plot, rows.length === 1 ? rows[0]!.parameter : undefined)] },
  };
}

/** Only where one parameter is drawn: among several it would not be clear whose limits they are. */
function drawLimits(plot: uPlot, parameter: Parameter | undefined): void {
  const { min, max } = plot.scales['y']!;
  if (!parameter?.limits || min == null || max == null) return;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([4, 4]);
  ctx.lineWidth = 1;
  for (const [severity, range] of Object.entries(parameter.limits)) {
    for (const limit of range ?? []) {
      if (limit === null || limit < min || limit > max) continue;
      const y = Math.round(plot.valToPos(limit, 'y', true)) + 0.5;
      ctx.strokeStyle = COLORS[severity as Severity];
      ctx.globalAlpha = 0.75;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
  }
  ctx.restore();
}
