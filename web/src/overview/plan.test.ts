import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { Parameter } from '../api/types.ts';
import { Dictionary } from '../dictionary.ts';
import { draftNames, planFor } from './plan.ts';

const DATABASE = resolve(import.meta.dirname, '../../../crates/station/simulator/perigeesat.xml');
const parameter = (id: number, name: string, more: Partial<Parameter> = {}): Parameter => ({ id, name, kind: 'float', ...more });

test('every parameter that the written overview names is in the simulator’s mission database', () => {
  expect(existsSync(DATABASE)).toBe(true);
  const declared = new Set([...readFileSync(DATABASE, 'utf8').matchAll(/<Parameter name="([^"]+)"/g)].map(([, name]) => name));
  const missing = draftNames().filter((name) => !declared.has(name.slice(name.lastIndexOf('/') + 1).replace(/[.[].*$/, '')));
  expect(missing).toEqual([]);
});

test('a parameter that is not there is left out', () => {
  const names = draftNames().filter((name) => !name.includes('Thermal'));
  const plan = planFor(new Dictionary(names.map((name, id) => parameter(id, name))));
  expect(plan.panels.map(({ title }) => title)).toContain('Power');
  expect(plan.panels.map(({ title }) => title)).not.toContain('Thermal');
  expect(plan.track?.latitude.name).toBe('/PerigeeSat/Orbit/Latitude');
});

test('another database gets an overview of its own', () => {
  const limits = { warning: [0, 1] as [number, number] };
  const plan = planFor(
    new Dictionary([
      parameter(1, '/Other/A/Plain'),
      parameter(2, '/Other/A/Limited', { limits }),
      parameter(3, '/Other/A/Mode', { kind: 'enumerated', labels: ['OFF', 'ON'] }),
      parameter(4, '/Other/B/gps_lat'),
      parameter(5, '/Other/B/gps_lon'),
    ]),
  );
  expect(plan.panels.map(({ title, rows }) => [title, rows.map(({ label }) => label)])).toEqual([
    ['A', ['Limited', 'Plain', 'Mode']],
    ['B', ['gps_lat', 'gps_lon']],
  ]);
  expect(plan.plots[0]?.title).toBe('Limited');
  expect(plan.track?.longitude.id).toBe(5);
  expect(plan.chips.map(({ label }) => label)).toEqual(['Mode']);
});

test('an empty database gives an empty plan', () => {
  expect(planFor(new Dictionary([]))).toEqual({ chips: [], panels: [], track: undefined, plots: [] });
});
