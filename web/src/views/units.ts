// The units of the station and of its machine as a tree: state, restarts, memory and processor time; start, stop and
// restart for those whose role allows it; and the log of one of them as it is written.
import { html, nothing, render, type TemplateResult } from 'lit-html';
import { rest } from '../api/rest.ts';
import type { LogRecord, Role, Unit, Units } from '../api/types.ts';
import { formatCount } from '../format.ts';
import { paced } from '../paced.ts';
import { explain } from '../session/dialog.ts';
import type { Station } from '../station.ts';
import { type Row, treeOf } from './tree.ts';

export type Action = 'start' | 'stop' | 'restart';

/** Rows of the log that are kept; the oldest go first. */
const MOST_LINES = 500;
/** Memory and processor time change without an event. */
const LOOK_MS = 5_000;
const RETRY_MS = 2_000;
const ROLES: readonly Role[] = ['observer', 'operator', 'commander', 'admin'];

/** Whether somebody with this role may start and stop units of this supervisor, and read their logs. */
export const mayAct = (role: Role, supervisor: Unit['supervisor']): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(supervisor === 'station' ? 'operator' : 'admin');

export function drawUnits(element: HTMLElement, station: Station, act: (unit: string, action: Action) => Promise<void>): () => void {
  let answer: Units = { units: [], silent: [] };
  let problem = '';
  let chosen: string | undefined;
  let lines: LogRecord[] = [];
  let log: EventSource | undefined;
  let changes: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;

  const draw = paced(() => {
    const role = station.session.value.role;
    const rows = treeOf(answer.units);
    const unit = answer.units.find((one) => one.unit === chosen);
    render(
      html`<div class="pg-page">
        ${problem === '' ? nothing : html`<p class="pg-problem" role="alert">${problem}</p>`}
        ${answer.silent.map((name) => html`<p class="pg-problem">The supervisor of the ${name} does not answer.</p>`)}
        <section class="pg-panel pg-panel--grow" aria-label="Units">
          <div class="pg-scroll">
            <table class="pg-table pg-units">
              <thead><tr><th>Unit</th><th>State</th><th class="pg-table__number">Restarts</th><th class="pg-table__number">Memory</th><th class="pg-table__number">CPU</th><th>What it is</th><th></th></tr></thead>
              <tbody>${rows.map((row) => drawRow(row, role))}</tbody>
            </table>
            ${rows.length === 0 && problem === '' ? html`<p class="pg-empty">No unit is loaded.</p>` : nothing}
          </div>
        </section>
        ${unit ? drawLog(unit) : nothing}
      </div>`,
      element,
    );
    const box = element.querySelector('.pg-log');
    if (box && follows) box.scrollTop = box.scrollHeight;
  }, 4);
  /** The reader has not scrolled up. */
  let follows = true;

  const drawRow = ({ unit, depth, path }: Row, role: Role): TemplateResult => {
    const up = unit.active !== 'inactive' && unit.active !== 'failed';
    const may = mayAct(role, unit.supervisor);
    const button = (action: Action, able: boolean) =>
      html`<button ?disabled=${!able || unit.job !== undefined} @click=${() => void act(unit.unit, action).then(look)} aria-label=${`${action} ${unit.unit}`}>${action}</button>`;
    return html`<tr data-unit=${unit.unit} data-path=${path} data-active=${unit.active}>
      <td class="pg-units__name" data-depth=${depth}>
        ${may
          ? html`<button aria-pressed=${unit.unit === chosen} title="Show its log" @click=${() => choose(unit.unit)}>${unit.unit}</button>`
          : unit.unit}
      </td>
      <td class="pg-units__state" data-bad=${unit.health === 'unhealthy'}>${unit.active} <small>${[unit.sub, unit.job, unit.health].filter((word) => word !== undefined).join(', ')}</small></td>
      <td class="pg-table__number" data-bad=${unit.restarts > 0}>${formatCount(unit.restarts)}</td>
      <td class="pg-table__number">${unit.memory === undefined ? '' : `${(unit.memory / 1048576).toFixed(1)} MiB`}</td>
      <td class="pg-table__number">${unit.cpu === undefined ? '' : `${(unit.cpu / 1e6).toFixed(1)} s`}</td>
      <td class="pg-table__text">${unit.description}</td>
      <td class="pg-units__actions">${may ? [button('start', !up), button('stop', up), button('restart', up)] : nothing}</td>
    </tr>`;
  };

  const drawLog = (unit: Unit): TemplateResult => html`<section class="pg-panel" aria-label=${`Log of ${unit.unit}`}>
    <h2>${unit.unit} <small>its log, as it is written</small><button class="pg-units__close" aria-label="Close the log" @click=${() => choose(undefined)}>close</button></h2>
    <div class="pg-log" tabindex="0" @scroll=${scrolled}>
      ${lines.length === 0 ? html`<p class="pg-empty">Nothing was printed yet.</p>` : nothing}
      ${lines.map(({ time, prio, msg }) => html`<p data-prio=${(prio ?? 6) <= 3 ? 'error' : prio === 4 ? 'warning' : 'info'}><time>${time.slice(0, 23).replace('T', ' ')}</time> ${msg ?? ''}</p>`)}
    </div>
  </section>`;

  const scrolled = ({ target }: Event) => {
    const { scrollTop, scrollHeight, clientHeight } = target as HTMLElement;
    follows = scrollTop + clientHeight >= scrollHeight - 20;
  };

  const look = async (): Promise<void> => {
    try {
      answer = await rest.units();
      problem = '';
    } catch (error) {
      problem = explain(error);
    }
    if (!stopped) draw();
  };

  /** Changes as they happen; a stream that ends is opened again, and the units are asked for anew. */
  const watch = (): void => {
    changes = new EventSource('/api/units/events');
    for (const name of ['begin', 'change', 'missed']) changes.addEventListener(name, () => void look());
    changes.addEventListener('error', () => {
      changes?.close();
      if (!stopped) again = setTimeout(watch, RETRY_MS);
    });
  };

  const choose = (unit: string | undefined): void => {
    log?.close();
    [log, lines, follows] = [undefined, [], true];
    chosen = unit === chosen ? undefined : unit;
    if (chosen !== undefined) {
      log = new EventSource(`/api/units/${encodeURIComponent(chosen)}/log`);
      // After a break the station begins again with the last lines.
      log.addEventListener('begin', () => (lines = []));
      log.addEventListener('record', ({ data }) => {
        lines = [...lines, JSON.parse(data as string) as LogRecord].slice(-MOST_LINES);
        draw();
      });
    }
    draw();
  };

  watch();
  const clock = setInterval(() => void look(), LOOK_MS);
  const unwatch = station.session.watch(draw);
  return () => {
    stopped = true;
    clearInterval(clock);
    clearTimeout(again);
    changes?.close();
    log?.close();
    unwatch();
    draw.stop();
  };
}
