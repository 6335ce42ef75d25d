// The overview: the page that an operator leaves open. Spacecraft, orbit, link and alarms at a glance; each value
// leads to its plot.
import { html, nothing, render, type TemplateResult } from 'lit-html';
import { rest } from '../api/rest.ts';
import type { Alarm, LinkStatus, Sample } from '../api/types.ts';
import { formatAge, formatClock, formatCount, formatRate, formatValue } from '../format.ts';
import { parameterPath, pagePath } from '../mct/objects.ts';
import { paced } from '../paced.ts';
import { SEVERITIES } from '../severity.ts';
import type { Station } from '../station.ts';
import { drawAttitude, type Quaternion } from './attitude.ts';
import { drawGauge } from './gauge.ts';
import { planFor, type Plan, type Row } from './plan.ts';
import { drawPlot, numberOf } from './plot.ts';
import { drawTrack, type Position } from './track.ts';

const STALE_MS = 30_000;
const TRACK_MS = 100 * 60_000;
const TRACK_POINTS = 1200;
const TRACK_STEP_MS = 2_000;
const ALARMS_SHOWN = 20;

export interface Actions {
  go(path: string): void;
  acknowledge(id: number, comment: string): Promise<void>;
  alarmsPath: string;
}

export function drawOverview(element: HTMLElement, station: Station, actions: Actions): () => void {
  const plan = planFor(station.dictionary);
  const latest = new Map<number, Sample>();
  const track: Position[] = [];
  const stops: (() => void)[] = [];

  const plots = plan.plots.map(({ title, rows }) => {
    const canvas = document.createElement('div');
    canvas.className = 'pg-plot__canvas';
    return { title, rows, canvas };
  });
  const draw = paced(() => render(page(station, actions, plan, latest, track, plots), element), 4);

  for (const { id } of parametersOf(plan)) {
    stops.push(
      station.stream.watch(id, (samples) => {
        const sample = samples.at(-1);
        if (sample) latest.set(id, sample);
        if (plan.track?.longitude.id === id) extend(track, plan.track, latest);
        draw();
      }),
    );
  }
  stops.push(station.alarms.watch(draw), station.links.watch(draw), station.rejections.watch(draw));
  stops.push(
    station.stream.state.watch((state) => {
      draw();
      if (state === 'live') loadTrack(track, plan.track).then(draw, (error: unknown) => console.warn('ground track:', error));
    }),
  );
  draw();
  for (const { canvas, rows } of plots) stops.push(drawPlot(canvas, station.stream, rows));
  const clock = setInterval(draw, 1000);
  return () => {
    clearInterval(clock);
    stops.forEach((stop) => stop());
    draw.stop();
  };
}

function parametersOf({ chips, panels, track, plots }: Plan): Iterable<{ id: number }> {
  const rows = [...chips, ...panels.flatMap((panel) => panel.rows), ...plots.flatMap((plot) => plot.rows), ...(track?.rows ?? [])];
  const more = [...panels.flatMap(({ attitude }) => attitude), ...(track ? [track.latitude, track.longitude, track.altitude, ...track.inertial] : [])];
  return new Map([...rows.map(({ parameter }) => parameter), ...more].flatMap((one) => (one ? [[one.id, one]] : []))).values();
}

function extend(track: Position[], { latitude, longitude }: NonNullable<Plan['track']>, latest: Map<number, Sample>): void {
  const north = latest.get(latitude.id);
  const east = latest.get(longitude.id);
  if (typeof north?.v !== 'number' || typeof east?.v !== 'number' || east.t < (track.at(-1)?.t ?? 0) + TRACK_STEP_MS) return;
  track.push({ t: east.t, latitude: north.v, longitude: east.v });
  while (track[0] && track[0].t < east.t - TRACK_MS) track.shift();
}

async function loadTrack(track: Position[], plan: Plan['track']): Promise<void> {
  if (!plan) return;
  const end = Date.now();
  const ask = (parameter: number) => rest.history({ parameter, start: end - TRACK_MS, end, points: TRACK_POINTS });
  const [north, east] = await Promise.all([ask(plan.latitude.id), ask(plan.longitude.id)]);
  const past: Position[] = [];
  let i = 0;
  for (const { t, v } of north.samples) {
    while (east.samples[i + 1] && east.samples[i + 1]!.t <= t) i += 1;
    const longitude = east.samples[i];
    if (typeof v !== 'number' || typeof longitude?.v !== 'number' || Math.abs(longitude.t - t) > STALE_MS) continue;
    past.push({ t, latitude: v, longitude: longitude.v });
  }
  const newest = past.at(-1)?.t ?? 0;
  track.splice(0, track.length, ...past, ...track.filter(({ t }) => t > newest));
}

type Plots = readonly { title: string; rows: Row[]; canvas: HTMLElement }[];

function page(station: Station, actions: Actions, plan: Plan, latest: Map<number, Sample>, track: readonly Position[], plots: Plots): TemplateResult {
  const row = (one: Row) => drawRow(one, latest.get(one.parameter.id), actions);
  return html`<div class="pg-overview" data-live=${station.stream.state.value}>
    ${head(station, plan, latest, actions)}
    <section class="pg-strip" aria-label="Links">
      ${station.links.value.length === 0 ? html`<p class="pg-empty">No link is configured.</p>` : station.links.value.map((link) => linkStrip(link, actions))}
    </section>
    <div class="pg-overview__main">
      <div class="pg-panels">
        ${plan.panels.map(
          ({ title, rows, attitude }) => html`<section class="pg-panel" aria-label=${title}>
            <h2>${title}</h2>
            <div class=${attitude.length > 0 ? 'pg-panel__pair' : ''}>
              <div>${rows.map(row)}</div>
              ${attitude.length > 0 ? drawAttitude(quaternion(attitude, latest)) : nothing}
            </div>
          </section>`,
        )}
      </div>
      <div class="pg-side">
        ${plan.track
          ? html`<section class="pg-panel pg-panel--map" aria-label="Orbit">
              <h2>Ground track</h2>
              ${drawTrack(track, altitudeKm(plan.track, latest), sidereal(plan.track, latest))}
              <div class="pg-panel__columns">${plan.track.rows.map(row)}</div>
            </section>`
          : nothing}
        ${alarmPanel(station.alarms.value, station, actions)}
      </div>
    </div>
    <div class="pg-plots">
      ${plots.map(
        ({ title, rows, canvas }) => html`<section class="pg-panel pg-plot" aria-label=${`${title} plot`}>
          <h2>
            ${title}
            ${rows.map(
              ({ parameter, label }, index) =>
                html`<button @click=${() => actions.go(parameterPath(parameter.name))}>
                  <i data-ink=${index}></i>${rows.length > 1 ? label : ''} <b>${formatValue(latest.get(parameter.id)?.v, parameter)}</b> ${parameter.unit ?? ''}
                </button>`,
            )}
          </h2>
          ${canvas}
        </section>`,
      )}
    </div>
  </div>`;
}

function head(station: Station, plan: Plan, latest: Map<number, Sample>, { go }: Actions): TemplateResult {
  const newest = Math.max(0, ...[...latest.values()].map(({ r }) => r));
  const age = newest === 0 ? undefined : Date.now() - newest;
  const { database } = station.about;
  return html`<header class="pg-head">
    <h1>${database.name}<small>${station.about.station}</small></h1>
    <div class="pg-chips">
      ${plan.chips.map(({ parameter, label }) => {
        const sample = latest.get(parameter.id);
        return html`<button class="pg-chip" data-severity=${sample?.s ?? 'nominal'} @click=${() => go(parameterPath(parameter.name))}>
          <em>${label}</em> ${formatValue(sample?.v, parameter)}
        </button>`;
      })}
    </div>
    <p class="pg-head__age" data-stale=${age === undefined || age > STALE_MS}>
      ${age === undefined ? 'No telemetry yet' : html`Last telemetry <b>${age < 2000 ? 'now' : `${formatAge(age)} ago`}</b>`}
    </p>
  </header>`;
}

function drawRow({ parameter, label }: Row, sample: Sample | undefined, { go }: Actions): TemplateResult {
  const stale = sample === undefined || Date.now() - sample.r > STALE_MS;
  return html`<button
    class="pg-row"
    data-severity=${sample?.s ?? 'nominal'}
    data-stale=${stale}
    data-parameter=${parameter.name}
    title=${`${parameter.name}${parameter.description ? `\n${parameter.description}` : ''}`}
    @click=${() => go(parameterPath(parameter.name))}
  >
    <span class="pg-row__label">${label}</span>
    ${drawGauge(sample ? numberOf(sample.v, parameter) : null, parameter.limits)}
    <span class="pg-row__value">${formatValue(sample?.v, parameter)}</span>
    <span class="pg-row__unit">${parameter.unit ?? ''}</span>
  </button>`;
}

function linkStrip(link: LinkStatus, { go }: Actions): TemplateResult {
  const lamp = (on: boolean, name: string) => html`<span class="pg-lamp" data-on=${on}>${name}</span>`;
  const figure = (name: string, value: string, bad = false) => html`<span class="pg-figure" data-bad=${bad}><em>${name}</em>${value}</span>`;
  return html`<button class="pg-link" title=${`${link.kind} ${link.address}${link.error ? `\n${link.error}` : ''}`} @click=${() => go(pagePath('links'))}>
    <b>${link.name}</b>
    ${lamp(link.connected, 'Connected')} ${lamp(link.bit_lock, 'Bit lock')} ${lamp(link.frame_lock, 'Frame lock')}
    ${figure('rate', formatRate(link.octet_rate))} ${figure('frames', `${formatCount(link.frame_rate)}/s`)}
    ${figure('packets', `${formatCount(link.packet_rate)}/s`)} ${figure('corrected', formatCount(link.corrected_symbols))}
    ${figure('uncorrectable', formatCount(link.uncorrectable), link.uncorrectable > 0)} ${figure('gaps', formatCount(link.gaps), link.gaps > 0)}
  </button>`;
}

function alarmPanel(alarms: readonly Alarm[], station: Station, actions: Actions): TemplateResult {
  const active = alarms.filter(({ state }) => state === 'active');
  const shown = [...alarms].sort((a, b) => Number(a.state === 'cleared') - Number(b.state === 'cleared') || b.triggered - a.triggered).slice(0, ALARMS_SHOWN);
  return html`<section class="pg-panel pg-panel--alarms" aria-label="Alarm summary">
    <h2>
      Alarms
      ${SEVERITIES.slice(1).map((severity) => {
        const count = active.filter((alarm) => alarm.severity === severity).length;
        return html`<span class="pg-count" data-severity=${severity} data-none=${count === 0}>${count} ${severity}</span>`;
      })}
      <button class="pg-more" @click=${() => actions.go(actions.alarmsPath)}>All</button>
    </h2>
    ${shown.length === 0 ? html`<p class="pg-empty">Every value is within its limits.</p>` : nothing}
    ${shown.map((alarm) => {
      const parameter = station.dictionary.parameter(alarm.id);
      return html`<div class="pg-alarm" data-severity=${alarm.severity} data-state=${alarm.state} data-parameter=${alarm.name}>
        <span class="pg-alarm__severity">${alarm.severity}</span>
        <button class="pg-alarm__name" title=${alarm.name} @click=${() => actions.go(parameterPath(alarm.name))}>${alarm.name.slice(alarm.name.indexOf('/', 1) + 1)}</button>
        <span>${formatValue(alarm.value, parameter)} ${parameter?.unit ?? ''}</span>
        <span class="pg-alarm__limit" title=${alarm.limit}>${alarm.limit}</span>
        <time title=${new Date(alarm.triggered).toISOString()}>${formatClock(alarm.triggered)}</time>
        ${alarm.acknowledged
          ? html`<em title=${alarm.acknowledged.comment}>${alarm.acknowledged.by}</em>`
          : html`<button class="pg-alarm__acknowledge" @click=${() => actions.acknowledge(alarm.id, '')}>Acknowledge</button>`}
      </div>`;
    })}
  </section>`;
}

function quaternion(parts: Plan['panels'][number]['attitude'], latest: Map<number, Sample>): Quaternion {
  const [x, y, z, w] = parts.map(({ id }) => latest.get(id)?.v);
  const known = [x, y, z, w].every((part) => typeof part === 'number');
  return known ? ([x, y, z, w] as unknown as Quaternion) : [0, 0, 0, 1];
}

/** The angle of Greenwich from the equinox: what parts the spacecraft's right ascension from its longitude. */
function sidereal({ inertial, longitude }: NonNullable<Plan['track']>, latest: Map<number, Sample>): number | undefined {
  const [x, y, east] = [...inertial, longitude].map(({ id }) => latest.get(id)?.v);
  if (inertial.length !== 2 || typeof x !== 'number' || typeof y !== 'number' || typeof east !== 'number') return undefined;
  return (Math.atan2(y, x) * 180) / Math.PI - east;
}

function altitudeKm({ altitude }: NonNullable<Plan['track']>, latest: Map<number, Sample>): number | undefined {
  const value = altitude && latest.get(altitude.id)?.v;
  if (typeof value !== 'number') return undefined;
  return altitude?.unit === 'm' ? value / 1000 : value;
}
