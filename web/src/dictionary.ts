// The mission database as the page sees it: parameters by id and by name, and the space systems that hold them.
import type { Parameter } from './api/types.ts';

export interface System {
  /** Qualified; the empty string is the root above all. */
  path: string;
  name: string;
  /** The leaves of a parameter that is an aggregate or array, rather than a space system. */
  aggregate: boolean;
  systems: System[];
  parameters: Parameter[];
}

export class Dictionary {
  readonly root: System = { path: '', name: '', aggregate: false, systems: [], parameters: [] };
  readonly #ids = new Map<number, Parameter>();
  readonly #names = new Map<string, Parameter>();
  readonly #systems = new Map<string, System>([['', this.root]]);

  constructor(readonly parameters: readonly Parameter[]) {
    for (const parameter of parameters) {
      this.#ids.set(parameter.id, parameter);
      this.#names.set(parameter.name, parameter);
      const parent = parentOf(parameter.name);
      this.#grow(parent, !parameter.name.startsWith(`${parent}/`)).parameters.push(parameter);
    }
  }

  parameter(id: number): Parameter | undefined {
    return this.#ids.get(id);
  }

  named(name: string): Parameter | undefined {
    return this.#names.get(name);
  }

  system(path: string): System | undefined {
    return this.#systems.get(path);
  }

  #grow(path: string, aggregate = false): System {
    const known = this.#systems.get(path);
    if (known) return known;
    const system: System = { path, name: shortName(path), aggregate, systems: [], parameters: [] };
    this.#systems.set(path, system);
    this.#grow(parentOf(path)).systems.push(system);
    return system;
  }
}

/** `/A` of `/A/b` and of `/A/B`; `/A/b` of the leaves `/A/b[1]` and `/A/b.c`. */
export function parentOf(name: string): string {
  const slash = Math.max(0, name.lastIndexOf('/'));
  const leaf = name.slice(slash).search(/[.[]/);
  return name.slice(0, leaf < 0 ? slash : slash + leaf);
}

export const shortName = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
