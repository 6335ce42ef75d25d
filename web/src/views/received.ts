// What was received when, by virtual channel and application process, with its gaps: the archive's completeness.
import { html, render, svg, type TemplateResult } from 'lit-html';
import { rest } from '../api/rest.ts';
import type { Channel } from '../api/types.ts';
import { formatCount, formatTime } from '../format.ts';
import { explain } from '../session/dialog.ts';
import type { Station } from '../station.ts';

const RELOAD_MS = 10_000;
const SPANS = [
  ['15 min', 15 * 60_000],
  ['1 h', 3_600_000],
  ['6 h', 6 * 3_600_000],
  ['24 h', 24 * 3_600_000],
  ['7 d', 7 * 24 * 3_600_000],
] as const;
const WIDTH = 1000;

export function drawReceived(element: HTMLElement, station: Station): () => void {
  let span: number = SPANS[1][1];
  let channels: Channel[] = [];
  let end = Date.now();
  let problem = '';
  let stopped = false;
  const draw = () => {
    if (stopped) return;
    const start = end - span;
    const choose = (length: number) => {
      span = length;
      void load();
    };
    render(
      html`<div class="pg-page">
        <section class="pg-panel pg-panel--grow">
          <h2>
            What was received <small>${formatTime(Math.floor(start / 1000) * 1000)} to ${formatTime(Math.floor(end / 1000) * 1000)}</small>
            <span class="pg-choice">${SPANS.map(([name, length]) => html`<button aria-pressed=${length === span} @click=${() => choose(length)}>${name}</button>`)}</span>
          </h2>
          ${problem ? html`<p class="pg-problem">${problem}</p>` : ''}
          <div class="pg-scroll">
            <table class="pg-table pg-table--spans">
              <thead><tr><th>Link</th><th>Spacecraft</th><th>VC</th><th>APID</th><th>Received</th><th>Missing</th><th>In time</th></tr></thead>
              <tbody>${channels.map((channel) => drawChannel(channel, start, end))}</tbody>
            </table>
            ${channels.length === 0 && !problem ? html`<p class="pg-empty">Nothing was received in this time.</p>` : ''}
          </div>
        </section>
      </div>`,
      element,
    );
  };
  const load = async () => {
    end = Date.now();
    try {
      channels = await rest.completeness(end - span, end);
      problem = '';
    } catch (error) {
      problem = explain(error);
    }
    draw();
  };
  const stopState = station.stream.state.watch((state) => state === 'live' && void load());
  const timer = setInterval(() => void load(), RELOAD_MS);
  draw();
  return () => {
    stopped = true;
    stopState();
    clearInterval(timer);
  };
}

function drawChannel({ link, scid, vcid, apid, spans, gaps }: Channel, start: number, end: number): TemplateResult {
  const sum = (parts: [number, number, number][]) => parts.reduce((total, [, , count]) => total + count, 0);
  const x = (t: number) => ((Math.min(Math.max(t, start), end) - start) / (end - start)) * WIDTH;
  const bar = (className: string, [from, to, count]: [number, number, number], word: string) =>
    svg`<rect class=${className} x=${x(from)} width=${Math.max(1, x(to) - x(from))} y="0" height="10"><title>${`${formatTime(from)} to ${formatTime(to)}: ${count} ${word}`}</title></rect>`;
  const missing = sum(gaps);
  return html`<tr>
    <td>${link}</td>
    <td>${scid ?? ''}</td>
    <td>${vcid ?? ''}</td>
    <td>${apid ?? 'frames'}</td>
    <td class="pg-table__number">${formatCount(sum(spans))}</td>
    <td class="pg-table__number" data-bad=${missing > 0}>${formatCount(missing)}</td>
    <td>
      <svg class="pg-spans" viewBox=${`0 0 ${WIDTH} 10`} preserveAspectRatio="none">
        ${spans.map((one) => bar('pg-spans__received', one, 'received'))}${gaps.map((one) => bar('pg-spans__missing', one, 'missing'))}
      </svg>
    </td>
  </tr>`;
}
