// "Why was this not decoded?": how much was dropped for which reason, and the latest cases with their first octets.
import { html, render } from 'lit-html';
import type { Rejection } from '../api/types.ts';
import { formatTime } from '../format.ts';
import { paced } from '../paced.ts';
import type { Station } from '../station.ts';
import { reasonWords } from './reasons.ts';

export function drawUndecoded(element: HTMLElement, station: Station): () => void {
  let chosen: string | undefined;
  const draw = paced(() => {
    const { total, by_reason, recent } = station.rejections.value;
    const reasons = Object.entries(by_reason).sort(([, a], [, b]) => b - a);
    const most = Math.max(1, ...reasons.map(([, count]) => count));
    const shown = recent.filter(({ reason }) => chosen === undefined || reason === chosen).sort((a, b) => b.t - a.t);
    const choose = (reason: string) => {
      chosen = chosen === reason ? undefined : reason;
      draw();
    };
    render(
      html`<div class="pg-page">
        <section class="pg-panel">
          <h2>Dropped since the station started <b>${total}</b></h2>
          ${total === 0 ? html`<p class="pg-empty">Everything that was received was decoded.</p>` : ''}
          <div class="pg-reasons">
            ${reasons.map(([reason, count]) => {
              const { title, meaning } = reasonWords(reason);
              return html`<button class="pg-reason" aria-pressed=${reason === chosen} title="Show only these" @click=${() => choose(reason)}>
                <b>${title}</b><span>${meaning}</span>
                <meter min="0" max=${most} .value=${count}></meter><em>${count}</em>
              </button>`;
            })}
          </div>
        </section>
        <section class="pg-panel pg-panel--grow">
          <h2>Latest cases${chosen === undefined ? '' : html` <small>${reasonWords(chosen).title} only</small>`}</h2>
          <div class="pg-scroll">
            <table class="pg-table">
              <thead>
                <tr><th>Time</th><th>Link</th><th>VC</th><th>Reason</th><th>Detail</th><th>First octets</th></tr>
              </thead>
              <tbody>${shown.map(drawCase)}</tbody>
            </table>
          </div>
        </section>
      </div>`,
      element,
    );
  }, 2);
  const stop = station.rejections.watch(draw);
  return () => {
    stop();
    draw.stop();
  };
}

const drawCase = ({ t, link, vcid, reason, detail, octets }: Rejection) => html`<tr>
  <td class="pg-table__time">${formatTime(t)}</td>
  <td>${link}</td>
  <td>${vcid ?? ''}</td>
  <td title=${reasonWords(reason).meaning}>${reasonWords(reason).title}</td>
  <td>${detail}</td>
  <td><code>${octets.match(/.{1,8}/g)?.join(' ') ?? ''}</code></td>
</tr>`;
