import { expect, test } from 'vitest';
import type { Unit } from '../api/types.ts';
import { treeOf } from './tree.ts';

const unit = (name: string, needs: string[] = [], supervisor: Unit['supervisor'] = 'station'): Unit =>
  ({ supervisor, unit: name, active: 'active', sub: 'running', description: '', restarts: 0, needs });
const shown = (units: Unit[]) => treeOf(units).map(({ unit, depth }) => `${'  '.repeat(depth)}${unit.unit}`);

test('what a unit needs stands below it, as far down as it can', () => {
  const units = [unit('link', ['telemetry', 'gone']), unit('page', ['link', 'telemetry']), unit('telemetry')];
  expect(shown(units)).toEqual(['page', '  link', '    telemetry']);
});

test('what several need stands below each of them', () => {
  const units = [unit('all', ['a', 'b']), unit('a', ['log']), unit('b', ['log']), unit('log')];
  expect(shown(units)).toEqual(['all', '  a', '    log', '  b', '    log']);
});

test('a circle is shown once around', () => {
  expect(shown([unit('a', ['b']), unit('b', ['a', 'b'])])).toEqual(['a', '  b']);
});

test('the machine comes after the station, and neither stands below the other', () => {
  const units = [unit('nginx', ['link'], 'machine'), unit('link')];
  expect(shown(units)).toEqual(['link', 'nginx']);
  expect(new Set(treeOf([...units, unit('nginx')]).map(({ path }) => path)).size).toBe(3);
});
