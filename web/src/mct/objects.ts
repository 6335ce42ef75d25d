// The tree: the page's own views on top, then the mission database, nested as its qualified names are.
import type { DomainObject, Identifier, OpenMCT } from 'openmct';
import type { Parameter } from '../api/types.ts';
import { type Dictionary, parentOf, shortName, type System } from '../dictionary.ts';

export const PARAMETER = 'perigee.parameter';
export const SYSTEM = 'perigee.system';
export const PAGE = 'perigee.page';

export const PAGES = {
  overview: { name: 'Overview', cssClass: 'icon-layout', description: 'The spacecraft and the station at a glance.' },
  links: { name: 'Links', cssClass: 'icon-connectivity', description: 'Locks, rates, corrections, gaps and frame counters of each link.' },
  undecoded: { name: 'Why was this not decoded?', cssClass: 'icon-alert-triangle', description: 'Frames and packets that were dropped, with the reason.' },
  units: { name: 'Units', cssClass: 'icon-layers', description: 'What the station and its machine consist of: state, restarts, logs; start and stop.' },
  received: { name: 'What was received', cssClass: 'icon-timeline', description: 'Completeness by virtual channel and application process, with gaps.' },
} as const;
export type Page = keyof typeof PAGES;

/** A path in the page's address must not hold the slashes of a qualified name. */
const keyOf = (name: string): string => name.slice(1).replaceAll('~', '~~').replaceAll('/', '~');

export const parameterIdentifier = (name: string): Identifier => ({ namespace: PARAMETER, key: keyOf(name) });
export const systemIdentifier = (path: string): Identifier => ({ namespace: SYSTEM, key: keyOf(path) });
export const pageIdentifier = (page: Page): Identifier => ({ namespace: PAGE, key: page });

const keyString = ({ namespace, key }: Identifier): string => `${namespace}:${key}`;
const inPath = (identifier: Identifier): string => `${identifier.namespace}:${encodeURIComponent(identifier.key)}`;

/** The address of a parameter under its systems, as the tree would open it. */
export function parameterPath(name: string): string {
  const steps = [parameterIdentifier(name)];
  for (let path = parentOf(name); path !== ''; path = parentOf(path)) steps.unshift(systemIdentifier(path));
  return `/browse/${steps.map(inPath).join('/')}`;
}

export const pagePath = (page: Page): string => `/browse/${inPath(pageIdentifier(page))}`;

/** Which parameter or system an object of the tree stands for. */
export class Tree {
  readonly #parameters = new Map<string, Parameter>();
  readonly #systems = new Map<string, System>();

  constructor(readonly dictionary: Dictionary) {
    for (const parameter of dictionary.parameters) this.#parameters.set(keyOf(parameter.name), parameter);
    const enter = (system: System): void => {
      if (system.path !== '') this.#systems.set(keyOf(system.path), system);
      system.systems.forEach(enter);
    };
    enter(dictionary.root);
  }

  parameter({ identifier, type }: DomainObject): Parameter | undefined {
    return type === PARAMETER ? this.#parameters.get(identifier.key) : undefined;
  }

  system({ identifier, type }: DomainObject): System | undefined {
    return type === SYSTEM ? this.#systems.get(identifier.key) : undefined;
  }

  install(openmct: OpenMCT): void {
    openmct.types.addType(PARAMETER, { name: 'Parameter', description: 'A parameter of the mission database.', cssClass: 'icon-telemetry' });
    openmct.types.addType(SYSTEM, { name: 'Space system', description: 'A space system of the mission database.', cssClass: 'icon-object' });
    for (const [key, { name, description, cssClass }] of Object.entries(PAGES)) {
      openmct.types.addType(`${PAGE}.${key}`, { name, description, cssClass });
    }
    const provide = (namespace: string, get: (key: string) => DomainObject | undefined) =>
      openmct.objects.addProvider(namespace, {
        get: async (identifier) => {
          const object = get(identifier.key);
          if (!object) throw new Error(`${identifier.key} is not in this mission database`);
          return object;
        },
      });
    provide(PARAMETER, (key) => parameterObject(this.#parameters.get(key)));
    provide(SYSTEM, (key) => systemObject(this.#systems.get(key)));
    provide(PAGE, (key) => (key in PAGES ? pageObject(key as Page) : undefined));

    const { HIGH } = openmct.priority;
    const { root } = this.dictionary;
    openmct.objects.addRoot(pageIdentifier('overview'), HIGH + 1);
    const tops = [...root.systems.map(({ path }) => systemIdentifier(path)), ...root.parameters.map(({ name }) => parameterIdentifier(name))];
    openmct.objects.addRoot(() => Promise.resolve(tops), HIGH);
    for (const page of ['links', 'undecoded', 'received', 'units'] as const) openmct.objects.addRoot(pageIdentifier(page));
  }
}

function pageObject(page: Page): DomainObject {
  return { identifier: pageIdentifier(page), name: PAGES[page].name, type: `${PAGE}.${page}`, location: 'ROOT' };
}

const locationOf = (name: string): string => {
  const parent = parentOf(name);
  return parent === '' ? 'ROOT' : keyString(systemIdentifier(parent));
};

function systemObject(system: System | undefined): DomainObject | undefined {
  if (!system) return undefined;
  return {
    identifier: systemIdentifier(system.path),
    name: system.name,
    type: SYSTEM,
    location: locationOf(system.path),
    composition: [
      ...system.systems.map(({ path }) => systemIdentifier(path)),
      ...system.parameters.map(({ name }) => parameterIdentifier(name)),
    ],
  };
}

function parameterObject(parameter: Parameter | undefined): DomainObject | undefined {
  if (!parameter) return undefined;
  const identifier = parameterIdentifier(parameter.name);
  return {
    identifier,
    name: shortName(parameter.name),
    type: PARAMETER,
    location: locationOf(parameter.name),
    ...(parameter.description && { notes: parameter.description }),
    telemetry: { values: valuesOf(parameter) },
    // Plots of a parameter that has limits show them without being asked.
    configuration: { series: [{ identifier, limitLines: Boolean(parameter.limits) }] },
  };
}

/** Open MCT's formats: a label plots as its number, a boolean as 0 and 1, and text is only for tables. */
function valuesOf({ name, unit, kind, labels }: Parameter): NonNullable<DomainObject['telemetry']>['values'] {
  const enumeration = kind === 'boolean' ? (labels ?? ['false', 'true']) : kind === 'enumerated' ? (labels ?? []) : undefined;
  const format = enumeration ? 'enum' : kind === 'time' ? 'utc' : ['string', 'binary', 'structured'].includes(kind) ? 'string' : 'number';
  return [
    { key: 'utc', name: 'Generated', format: 'utc', hints: { domain: 1 } },
    {
      key: 'value',
      name: shortName(name),
      format,
      hints: { range: 1 },
      ...(unit && { unit }),
      ...(kind === 'float' && { formatString: '%.7g' }),
      ...(enumeration && { enumerations: enumeration.map((string, value) => ({ value, string })) }),
    },
    { key: 'severity', name: 'State', format: 'string' },
  ];
}
