// The ground track: where the spacecraft is and was, on a map in the plate carrée projection, with the night side.
// The Sun's place is the low-precision formula of the Astronomical Almanac, good to a hundredth of a degree.
import { nothing, svg, type TemplateResult } from 'lit-html';
import { LAND, type Ring, WATER } from './coast.ts';

export interface Position {
  t: number;
  latitude: number;
  longitude: number;
}

const RADIANS = Math.PI / 180;
const EARTH_RADIUS_KM = 6371;
/** Degrees of arc of the ground track that are shown. */
const REVOLUTION = 420;

const path = (ring: Ring) => `M${ring.map(([longitude, latitude]) => `${longitude} ${-latitude}`).join('L')}Z`;
const LAND_PATH = LAND.map(path).join('');
const WATER_PATH = WATER.map(path).join('');
const GRATICULE = [
  ...Array.from({ length: 11 }, (_, i) => `M${-150 + 30 * i} -90V90`),
  ...Array.from({ length: 5 }, (_, i) => `M-180 ${-60 + 30 * i}H180`),
].join('');

const wrap = (longitude: number): number => ((((longitude + 180) % 360) + 360) % 360) - 180;

/**
 * The point that has the Sun in its zenith. `sidereal` is the angle of Greenwich from the equinox in degrees, where the
 * spacecraft's own position tells it: a simulated orbit may not keep to the clock.
 */
export function subsolar(milliseconds: number, sidereal?: number): { latitude: number; longitude: number } {
  const days = milliseconds / 86_400_000 - 10_957.5;
  const mean = (357.528 + 0.985_600_3 * days) * RADIANS;
  const ecliptic = (280.46 + 0.985_647_4 * days + 1.915 * Math.sin(mean) + 0.02 * Math.sin(2 * mean)) * RADIANS;
  const obliquity = (23.439 - 4e-7 * days) * RADIANS;
  const ascension = Math.atan2(Math.cos(obliquity) * Math.sin(ecliptic), Math.cos(ecliptic)) / RADIANS;
  const greenwich = sidereal ?? 280.460_618 + 360.985_647_37 * days;
  return { latitude: Math.asin(Math.sin(obliquity) * Math.sin(ecliptic)) / RADIANS, longitude: wrap(ascension - greenwich) };
}

function night(sun: { latitude: number; longitude: number }): string {
  const slope = Math.tan(sun.latitude * RADIANS) || 1e-6;
  const edge = Array.from({ length: 121 }, (_, i) => {
    const longitude = -180 + 3 * i;
    return `${longitude} ${-Math.atan(-Math.cos((longitude - sun.longitude) * RADIANS) / slope) / RADIANS}`;
  });
  const dark = sun.latitude > 0 ? 90 : -90;
  return `M-180 ${dark}L${edge.join('L')}L180 ${dark}Z`;
}

/** What the spacecraft sees down to the horizon. */
function footprint(at: Position, altitude: number): string {
  const radius = Math.acos(EARTH_RADIUS_KM / (EARTH_RADIUS_KM + Math.max(1, altitude)));
  const latitude = at.latitude * RADIANS;
  const points = Array.from({ length: 73 }, (_, i): Position => {
    const bearing = i * 5 * RADIANS;
    const sine = Math.sin(latitude) * Math.cos(radius) + Math.cos(latitude) * Math.sin(radius) * Math.cos(bearing);
    const east = Math.atan2(Math.sin(bearing) * Math.sin(radius) * Math.cos(latitude), Math.cos(radius) - Math.sin(latitude) * sine);
    return { t: 0, latitude: Math.asin(sine) / RADIANS, longitude: wrap(at.longitude + east / RADIANS) };
  });
  return line(points);
}

/** The newest part of the track, of a little more than one revolution. */
function revolution(track: readonly Position[]): readonly Position[] {
  let angle = 0;
  let i = track.length - 1;
  while (i > 0 && angle < REVOLUTION) {
    const [a, b] = [track[i]!, track[i - 1]!];
    const east = wrap(a.longitude - b.longitude) * Math.cos(a.latitude * RADIANS);
    angle += Math.hypot(a.latitude - b.latitude, east);
    i -= 1;
  }
  return track.slice(i);
}

/** A line that stops at the edge of the map and goes on at the other; a hole in time stays a hole. */
function line(points: readonly Position[]): string {
  let text = '';
  let last: Position | undefined;
  for (const point of points) {
    const joined = last && Math.abs(point.longitude - last.longitude) < 180 && point.t - last.t < 300_000;
    text += `${joined ? 'L' : 'M'}${point.longitude.toFixed(2)} ${(-point.latitude).toFixed(2)}`;
    last = point;
  }
  return text;
}

export function drawTrack(track: readonly Position[], altitude: number | undefined, sidereal: number | undefined): TemplateResult {
  const now = track.at(-1);
  const sun = subsolar(now?.t ?? Date.now(), sidereal);
  return svg`
    <svg class="pg-map" viewBox="-180 -90 360 180" preserveAspectRatio="xMidYMid meet" role="img" aria-label="Ground track">
      <rect class="pg-map__sea" x="-180" y="-90" width="360" height="180" />
      <path class="pg-map__land" d=${LAND_PATH} />
      <path class="pg-map__sea" d=${WATER_PATH} />
      <path class="pg-map__graticule" d=${GRATICULE} />
      <path class="pg-map__equator" d="M-180 0H180" />
      <path class="pg-map__night" d=${night(sun)} />
      <circle class="pg-map__sun" cx=${sun.longitude} cy=${-sun.latitude} r="2.6" />
      <path class="pg-map__track" d=${line(revolution(track))} />
      ${now && altitude !== undefined ? svg`<path class="pg-map__footprint" d=${footprint(now, altitude)} />` : nothing}
      ${
        now
          ? svg`<g transform="translate(${now.longitude} ${-now.latitude})">
              <circle class="pg-map__halo" r="5" /><circle class="pg-map__craft" r="2" />
            </g>`
          : nothing
      }
    </svg>` as unknown as TemplateResult;
}
