// What the overview shows: a plan written for a known spacecraft, kept as data, or one made up from the dictionary of
// any other. A parameter that the mission database lacks is left out, and so is a panel that would be empty.
import type { Parameter } from '../api/types.ts';
import type { Dictionary, System } from '../dictionary.ts';
import { shortName } from '../dictionary.ts';
import perigeesat from './perigeesat.json';

/** As written: parameters by qualified name. */
export interface Draft {
  /** Shown as a word at the head: modes, switches. */
  chips?: Item[];
  panels: { title: string; items: Item[]; attitude?: string[] }[];
  /** `inertial`: x and y of the position in the equatorial frame, if it is known; it tells where the Sun stands. */
  track?: { latitude: string; longitude: string; altitude?: string; inertial?: string[]; items?: Item[] };
  plots: { title: string; items: Item[] }[];
}

interface Item {
  parameter: string;
  label?: string;
}

/** As shown: parameters found. */
export interface Plan {
  chips: Row[];
  panels: { title: string; rows: Row[]; attitude: Parameter[] }[];
  track: { latitude: Parameter; longitude: Parameter; altitude: Parameter | undefined; inertial: Parameter[]; rows: Row[] } | undefined;
  plots: { title: string; rows: Row[] }[];
}

export interface Row {
  parameter: Parameter;
  label: string;
}

const DRAFTS: readonly Draft[] = [perigeesat];
const PANELS = 4;
const ROWS = 8;
const PLOTS = 4;

export function planFor(dictionary: Dictionary): Plan {
  for (const draft of DRAFTS) {
    const wanted = names(draft);
    const found = wanted.filter((name) => dictionary.named(name)).length;
    if (found > wanted.length / 2) return resolve(draft, dictionary);
  }
  return resolve(improvise(dictionary), dictionary);
}

const names = ({ chips = [], panels, track, plots }: Draft): string[] =>
  [chips, ...panels.map(({ items }) => items), track?.items ?? [], ...plots.map(({ items }) => items)]
    .flat()
    .map(({ parameter }) => parameter);

/** Exported for the test that every name of a draft is in its mission database. */
export const draftNames = (): string[] => DRAFTS.flatMap(names);

function resolve({ chips = [], panels, track, plots }: Draft, dictionary: Dictionary): Plan {
  const rows = (items: Item[]): Row[] =>
    items.flatMap(({ parameter: name, label }) => {
      const parameter = dictionary.named(name);
      return parameter ? [{ parameter, label: label ?? shortName(name) }] : [];
    });
  const latitude = track && dictionary.named(track.latitude);
  const longitude = track && dictionary.named(track.longitude);
  return {
    chips: rows(chips),
    panels: panels
      .map(({ title, items, attitude = [] }) => {
        const quaternion = attitude.flatMap((name) => dictionary.named(name) ?? []);
        return { title, rows: rows(items), attitude: quaternion.length === 4 ? quaternion : [] };
      })
      .filter((panel) => panel.rows.length > 0),
    track:
      latitude && longitude
        ? {
            latitude,
            longitude,
            altitude: dictionary.named(track.altitude ?? ''),
            inertial: (track.inertial ?? []).flatMap((name) => dictionary.named(name) ?? []),
            rows: rows(track.items ?? []),
          }
        : undefined,
    plots: plots.map(({ title, items }) => ({ title, rows: rows(items) })).filter((plot) => plot.rows.length > 0),
  };
}

/** The largest systems, their parameters with limits first; a ground track where the names speak of one. */
function improvise({ root, parameters }: Dictionary): Draft {
  const numeric = ({ kind }: Parameter) => kind === 'float' || kind === 'unsigned' || kind === 'signed';
  const limited = ({ limits }: Parameter) => (limits ? 0 : 1);
  const items = (chosen: readonly Parameter[]): Item[] => chosen.map(({ name }) => ({ parameter: name }));
  const systems: System[] = [];
  const collect = (system: System): void => {
    if (system.parameters.length > 0 && !system.aggregate) systems.push(system);
    system.systems.forEach(collect);
  };
  collect(root);
  systems.sort((a, b) => b.parameters.length - a.parameters.length);
  const named = (pattern: RegExp) => parameters.find((parameter) => numeric(parameter) && pattern.test(shortName(parameter.name)))?.name;
  const latitude = named(/lat(itude)?$/i);
  const longitude = named(/lon(g|gitude)?$/i);
  const altitude = named(/alt(itude)?$/i);
  return {
    chips: items(parameters.filter(({ kind }) => kind === 'enumerated').slice(0, 4)),
    panels: systems.slice(0, PANELS).map((system) => ({
      title: system.name || 'Parameters',
      items: items([...system.parameters].sort((a, b) => limited(a) - limited(b)).slice(0, ROWS)),
    })),
    ...(latitude && longitude && { track: { latitude, longitude, ...(altitude && { altitude }) } }),
    plots: [...parameters]
      .filter(numeric)
      .sort((a, b) => limited(a) - limited(b))
      .slice(0, PLOTS)
      .map((parameter) => ({ title: shortName(parameter.name), items: items([parameter]) })),
  };
}
