// Telemetry for Open MCT: history from the archive, live values from the shared stream, limits from the dictionary.
import type { Datum, DomainObject, OpenMCT, RequestOptions, ValueMetadata } from 'openmct';
import { rest } from '../api/rest.ts';
import type { HistorySample, Limits, Parameter, Sample, Severity, Value } from '../api/types.ts';
import { rank } from '../severity.ts';
import type { Station } from '../station.ts';
import type { Tree } from './objects.ts';

/** Points asked for to fill the time that a lost connection missed. */
const GAP_POINTS = 500;
const LAST_MS = 60_000;

export function installTelemetry(openmct: OpenMCT, station: Station, tree: Tree): void {
  const supports = (object: DomainObject) => tree.parameter(object) !== undefined;
  const known = (object: DomainObject): Parameter => {
    const parameter = tree.parameter(object);
    if (!parameter) throw new Error(`${object.name} is no parameter`);
    return parameter;
  };
  const latest = batchLatest();

  openmct.telemetry.addProvider({
    supportsRequest: supports,
    request: (object: DomainObject, options: RequestOptions) => request(known(object), options, latest),
    supportsSubscribe: supports,
    supportsBatching: supports,
    subscribe: (object: DomainObject, callback: (data: Datum[]) => void) => subscribe(station, known(object), callback),
    supportsLimits: supports,
    getLimitEvaluator: (object: DomainObject) => ({
      // A table asks for its row, and for each of its cells: of those only the value stands out.
      evaluate: (datum: Datum, cell?: ValueMetadata) => (cell && cell.key !== 'value' ? undefined : evaluate(known(object), datum)),
    }),
    getLimits: (object: DomainObject) => ({ limits: () => Promise.resolve(limitLines(known(object).limits)) }),
  });
}

async function request(parameter: Parameter, options: RequestOptions, latest: Latest): Promise<Datum[]> {
  const { start, end, size, strategy, signal } = options;
  if (strategy === 'latest' && (size ?? 1) === 1 && end >= Date.now() - 1000) {
    const sample = await latest(parameter.id);
    return sample ? [datum(sample)] : [];
  }
  if (strategy === 'latest') return last(parameter.id, start, Math.min(end, Date.now()), size ?? 1, signal);
  const points = strategy === 'minmax' ? size : undefined;
  const { samples } = await rest.history({ parameter: parameter.id, start, end, points }, signal);
  return samples.flatMap(historyData);
}

/** The newest `size` values, looked for in a span that grows backwards: a long one may hold millions. */
async function last(parameter: number, start: number, end: number, size: number, signal?: AbortSignal): Promise<Datum[]> {
  for (let span = LAST_MS; ; span *= 8) {
    const from = Math.max(start, end - span);
    const { samples } = await rest.history({ parameter, start: from, end }, signal);
    if (samples.length >= size || from === start) return samples.slice(-size).map(datum);
  }
}

function subscribe(station: Station, { id }: Parameter, callback: (data: Datum[]) => void): () => void {
  let last = 0;
  let lost = false;
  const stopValues = station.stream.watch(id, (samples) => {
    last = samples.at(-1)?.t ?? last;
    callback(samples.map(datum));
  });
  const stopState = station.stream.state.watch((state) => {
    if (state === 'lost') lost = true;
    if (state !== 'live' || !lost || last === 0) return;
    lost = false;
    void fill(last + 1);
  });
  const fill = async (start: number): Promise<void> => {
    try {
      const { samples } = await rest.history({ parameter: id, start, end: Date.now(), points: GAP_POINTS });
      if (samples.length > 0) callback(samples.flatMap(historyData));
    } catch (error) {
      console.warn('history of the lost time:', error);
    }
  };
  return () => {
    stopValues();
    stopState();
  };
}

type Latest = (id: number) => Promise<Sample | undefined>;

/** A layout asks for the latest value of each of its parameters at once: the station is asked once for all. */
function batchLatest(): Latest {
  let waiting: Promise<Map<number, Sample>> | undefined;
  let ids = new Set<number>();
  return async (id) => {
    ids.add(id);
    waiting ??= Promise.resolve().then(async () => {
      const asked = [...ids];
      ids = new Set();
      waiting = undefined;
      return new Map((await rest.latest(asked)).map((sample) => [sample.id, sample]));
    });
    return (await waiting).get(id);
  };
}

/** The same whether it came live or from the archive: so Open MCT knows a value that came both ways for one. */
const datum = ({ t, v, s }: { t: number; v: Value; s: Severity }): Datum => ({ utc: t, value: plottable(v), severity: s });

const plottable = (value: Value): unknown => (typeof value === 'boolean' ? Number(value) : value);

/** A down-sampled point becomes its two extremes, so that no spike is lost from a plot. */
function historyData({ t, v, s, min, max }: HistorySample): Datum[] {
  if (min == null || max == null || min === max) return [datum({ t, v, s })];
  return [datum({ t, v: min, s }), datum({ t: t + 1, v: max, s })];
}

/** Open MCT's names for the colours of the five levels. */
export const LIMIT_COLORS: Record<Exclude<Severity, 'nominal'>, string> = {
  watch: 'cyan',
  warning: 'yellow',
  distress: 'orange',
  critical: 'red',
  severe: 'purple',
};

interface Violation {
  cssClass: string;
  name: string;
}

/** The station has judged each value, with its context and violation counts: the page only shows the verdict. */
function evaluate({ limits }: Parameter, datum: Datum): Violation | undefined {
  const severity = datum.severity as Severity | undefined;
  if (!severity || severity === 'nominal' || rank(severity) < 0) return undefined;
  const high = limits?.[severity]?.[1];
  const side = typeof datum.value !== 'number' || !limits?.[severity] ? '' : typeof high === 'number' && datum.value > high ? 'is-limit--upr' : 'is-limit--lwr';
  return { cssClass: `${side} is-limit--${LIMIT_COLORS[severity]}`.trim(), name: severity };
}

function limitLines(limits: Limits | null | undefined): object | undefined {
  if (!limits) return undefined;
  const line = (severity: keyof typeof LIMIT_COLORS, value: number | null) =>
    typeof value === 'number' ? { color: LIMIT_COLORS[severity], value } : undefined;
  const entries = (Object.keys(LIMIT_COLORS) as (keyof typeof LIMIT_COLORS)[]).flatMap((severity) => {
    const range = limits[severity];
    return range ? [[severity.toUpperCase(), { low: line(severity, range[0]), high: line(severity, range[1]) }] as const] : [];
  });
  return Object.fromEntries(entries);
}
