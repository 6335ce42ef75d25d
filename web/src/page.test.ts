// The small pure parts: names, words and the Sun.
import { expect, test } from 'vitest';
import { Dictionary } from './dictionary.ts';
import { formatAge, formatCount, formatNumber, formatRate, formatTime, formatValue } from './format.ts';
import { parameterPath } from './mct/objects.ts';
import { subsolar } from './overview/track.ts';
import { worst } from './severity.ts';
import { reasonWords } from './views/reasons.ts';

test('space systems nest as their names do', () => {
  const dictionary = new Dictionary([
    { id: 0, name: '/A/B/x', kind: 'float' },
    { id: 1, name: '/A/y', kind: 'float' },
    { id: 2, name: '/C/z', kind: 'float' },
    { id: 3, name: '/C/w[0].x', kind: 'float' },
    { id: 4, name: '/C/w[1].x', kind: 'float' },
  ]);
  expect(dictionary.root.systems.map(({ path }) => path)).toEqual(['/A', '/C']);
  expect(dictionary.system('/A/B')?.parameters.map(({ name }) => name)).toEqual(['/A/B/x']);
  expect(dictionary.system('/A')?.systems.map(({ name }) => name)).toEqual(['B']);
  expect(dictionary.system('/C/w')).toMatchObject({ aggregate: true, name: 'w', parameters: [{ id: 3 }, { id: 4 }] });
});

test('a parameter’s address survives slashes, tildes and brackets', () => {
  expect(parameterPath('/A/b~c[1].d')).toBe('/browse/perigee.system:A/perigee.system:A~b~~c/perigee.parameter:A~b~~c%5B1%5D.d');
});

test('values are written as their kind asks', () => {
  const cases: [unknown, string][] = [
    [formatValue(undefined), '—'],
    [formatValue(1, { kind: 'enumerated', labels: ['OFF', 'ON'] }), 'ON'],
    [formatValue('ON', { kind: 'enumerated', labels: ['OFF', 'ON'] }), 'ON'],
    [formatValue(true, { kind: 'boolean', labels: ['no', 'yes'] }), 'yes'],
    [formatValue(0, { kind: 'time' }), '1970-01-01 00:00:00Z'],
    [formatValue('18446744073709551615', { kind: 'unsigned' }), '18446744073709551615'],
    [formatNumber(0.12345), '0.123'],
    [formatNumber(-27.4567), '-27.46'],
    [formatNumber(1e-9), '1.0e-9'],
    [formatNumber(65_535), '65535'],
    [formatCount(9999), '9999'],
    [formatCount(123_456), '123k'],
    [formatRate(125), '1.0 kbit/s'],
    [formatAge(150_000), '3 min'],
    [formatTime(1_500), '1970-01-01 00:00:01.500Z'],
  ];
  for (const [text, expected] of cases) expect(text).toBe(expected);
});

test('the worst severity wins, and none is nominal', () => {
  expect(worst([])).toBe('nominal');
  expect(worst(['watch', 'critical', 'warning'])).toBe('critical');
});

test('a reason that is not known here is still readable', () => {
  expect(reasonWords('vc-gap').meaning).toContain('missing');
  expect(reasonWords('some-new-reason').title).toBe('Some new reason');
});

test('the Sun stands over the equator at an equinox and over the tropic at a solstice', () => {
  const equinox = subsolar(Date.UTC(2026, 2, 20, 14, 46));
  expect(Math.abs(equinox.latitude)).toBeLessThan(0.02);
  // The equation of time is then about -7.4 minutes.
  expect(equinox.longitude).toBeCloseTo(-(14 + 46 / 60 - 12 - 7.4 / 60) * 15, 0);
  expect(subsolar(0, 0).longitude - subsolar(0, 90).longitude).toBeCloseTo(90, 6);
  expect(subsolar(Date.UTC(2026, 5, 21, 8, 25)).latitude).toBeCloseTo(23.44, 1);
});
