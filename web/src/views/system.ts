// A space system: the present value of each of its parameters, those of its subsystems included.
import { html, render } from 'lit-html';
import type { Parameter, Sample } from '../api/types.ts';
import { shortName, type System } from '../dictionary.ts';
import { formatClock, formatValue } from '../format.ts';
import { parameterPath } from '../mct/objects.ts';
import { paced } from '../paced.ts';
import { drawGauge } from '../overview/gauge.ts';
import { numberOf } from '../overview/plot.ts';
import type { Station } from '../station.ts';

/** Rows drawn at once: a database may hold tens of thousands. */
const MOST_ROWS = 500;

export function drawSystem(element: HTMLElement, station: Station, system: System | undefined, go: (path: string) => void): () => void {
  if (!system) return () => {};
  const all = parametersOf(system);
  const latest = new Map<number, Sample>();
  let words: string[] = [];
  let shown: Parameter[] = [];
  let stops: (() => void)[] = [];
  const draw = paced(() => {
    render(
      html`<div class="pg-page">
        <section class="pg-panel pg-panel--grow">
          <h2>
            ${system.name} <small>${all.length} parameters</small>
            <input type="search" placeholder="Filter by name or description" aria-label="Filter parameters" @input=${filter} />
          </h2>
          <div class="pg-scroll">
            <table class="pg-table pg-table--live">
              <thead><tr><th>Parameter</th><th>Value</th><th>Unit</th><th>Limits</th><th>State</th><th>Raw</th><th>Generated</th><th>Description</th></tr></thead>
              <tbody>${shown.map((parameter) => drawParameter(parameter, latest.get(parameter.id), system, go))}</tbody>
            </table>
            ${all.length > shown.length ? html`<p class="pg-empty">${shown.length} of ${all.length} are shown.</p>` : ''}
          </div>
        </section>
      </div>`,
      element,
    );
  }, 2);
  const choose = () => {
    const matches = ({ name, description }: Parameter) => {
      const text = `${name} ${description ?? ''}`.toLowerCase();
      return words.every((word) => text.includes(word));
    };
    shown = all.filter(matches).slice(0, MOST_ROWS);
    const old = stops;
    stops = shown.map(({ id }) =>
      station.stream.watch(id, (samples) => {
        latest.set(id, samples.at(-1)!);
        draw();
      }),
    );
    old.forEach((stop) => stop());
    draw();
  };
  const filter = (event: Event) => {
    words = (event.target as HTMLInputElement).value.toLowerCase().split(/\s+/).filter(Boolean);
    choose();
  };
  choose();
  return () => {
    stops.forEach((stop) => stop());
    draw.stop();
  };
}

const parametersOf = (system: System): Parameter[] => [...system.parameters, ...system.systems.flatMap(parametersOf)];

function drawParameter(parameter: Parameter, sample: Sample | undefined, system: System, go: (path: string) => void) {
  const { name, unit, description, limits } = parameter;
  return html`<tr data-severity=${sample?.s ?? 'nominal'} data-parameter=${name}>
    <td><button title=${name} @click=${() => go(parameterPath(name))}>${name.startsWith(`${system.path}/`) ? name.slice(system.path.length + 1) : shortName(name)}</button></td>
    <td class="pg-table__number pg-table__value">${formatValue(sample?.v, parameter)}</td>
    <td>${unit ?? ''}</td>
    <td>${drawGauge(sample ? numberOf(sample.v, parameter) : null, limits)}</td>
    <td class="pg-table__state">${sample?.s ?? ''}</td>
    <td class="pg-table__number">${sample ? String(sample.raw ?? '') : ''}</td>
    <td class="pg-table__time">${sample ? formatClock(sample.t) : ''}</td>
    <td class="pg-table__text">${description ?? ''}</td>
  </tr>`;
}
