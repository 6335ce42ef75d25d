// Units as a tree: what a unit needs stands below it, unless it stands further down there anyway. A unit that several
// need stands below each of them.
import type { Unit } from '../api/types.ts';

export interface Row {
  unit: Unit;
  /** How deep it stands, from 0. */
  depth: number;
  /** The names from the top to it: the same unit in two places is two rows. */
  path: string;
}

/** No deeper than this: units may need each other in a circle, or far down. */
const DEEPEST = 6;

/** Rows from top to bottom, supervisor by supervisor: first the units that nobody needs. */
export function treeOf(units: readonly Unit[]): Row[] {
  const rows: Row[] = [];
  for (const supervisor of ['station', 'machine'] as const) {
    const own = new Map(units.filter((unit) => unit.supervisor === supervisor).map((unit) => [unit.unit, unit]));
    const needed = new Set([...own.values()].flatMap(({ unit, needs }) => needs.filter((other) => other !== unit && own.has(other))));
    const seen = new Set<string>();
    const reach = reaching(own);
    const enter = (unit: Unit, above: readonly string[]): void => {
      seen.add(unit.unit);
      const path = [...above, unit.unit];
      rows.push({ unit, depth: above.length, path: `${supervisor}:${path.join('>')}` });
      if (above.length >= DEEPEST) return;
      for (const below of nearest(unit, own, reach)) if (!path.includes(below.unit)) enter(below, path);
    };
    for (const unit of own.values()) if (!needed.has(unit.unit)) enter(unit, []);
    // What needs itself in a circle has no top: it begins anywhere.
    for (const unit of own.values()) if (!seen.has(unit.unit)) enter(unit, []);
  }
  return rows;
}

type Reach = (name: string) => ReadonlySet<string>;

/** What each unit needs, at first hand and through others. */
function reaching(own: ReadonlyMap<string, Unit>): Reach {
  const known = new Map<string, Set<string>>();
  return (name) => {
    const found = known.get(name) ?? new Set<string>();
    if (known.has(name)) return found;
    known.set(name, found);
    const queue = [name];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const needed of own.get(next)?.needs ?? []) {
        if (found.has(needed)) continue;
        found.add(needed);
        queue.push(needed);
      }
    }
    return found;
  };
}

/** The units that one needs, without those that another of them needs too. */
function nearest({ needs }: Unit, own: ReadonlyMap<string, Unit>, reach: Reach): Unit[] {
  const all = [...new Set(needs)].filter((name) => own.has(name)).sort();
  const further = (name: string) => all.some((other) => other !== name && reach(other).has(name) && !reach(name).has(other));
  return all.filter((name) => !further(name)).flatMap((name) => own.get(name) ?? []);
}
