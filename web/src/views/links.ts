// Each link in full: locks, rates, counters, what was dropped, and the spacecraft's word on its own uplink (CLCW).
import { html, nothing, render, type TemplateResult } from 'lit-html';
import type { LinkStatus } from '../api/types.ts';
import { formatAge, formatCount, formatRate, formatTime } from '../format.ts';
import { paced } from '../paced.ts';
import type { Station } from '../station.ts';
import { reasonWords } from './reasons.ts';

export function drawLinks(element: HTMLElement, station: Station): () => void {
  const draw = paced(() => {
    const links = station.links.value;
    render(
      html`<div class="pg-page">
        ${links.length === 0 ? html`<p class="pg-empty">No link is configured.</p>` : links.map(drawLink)}
      </div>`,
      element,
    );
  }, 4);
  const stop = station.links.watch(draw);
  const clock = setInterval(draw, 1000);
  return () => {
    clearInterval(clock);
    stop();
    draw.stop();
  };
}

const lamp = (on: boolean, name: string) => html`<span class="pg-lamp" data-on=${on}>${name}</span>`;
const figure = (name: string, value: string | TemplateResult, bad = false) =>
  html`<div class="pg-tile" data-bad=${bad}><em>${name}</em><b>${value}</b></div>`;
const since = (t: number | null) => (t === null ? 'never' : html`<span title=${formatTime(t)}>${formatAge(Date.now() - t)} ago</span>`);

function drawLink(link: LinkStatus): TemplateResult {
  const { clcw } = link;
  const reasons = Object.entries(link.rejections).sort(([, a], [, b]) => b - a);
  return html`<section class="pg-panel pg-panel--link" aria-label=${`Link ${link.name}`}>
    <h2>
      ${link.name} <small>${link.kind} · ${link.address} · ${link.content}</small>
      <span class="pg-lamps">${lamp(link.connected, 'Connected')} ${lamp(link.bit_lock, 'Bit lock')} ${lamp(link.frame_lock, 'Frame lock')}</span>
    </h2>
    ${link.error ? html`<p class="pg-problem">${link.error}</p>` : nothing}
    <div class="pg-tiles">
      ${figure('Rate', formatRate(link.octet_rate))} ${figure('Frames a second', formatCount(link.frame_rate))}
      ${figure('Packets a second', formatCount(link.packet_rate))} ${figure('Octets', formatCount(link.octets))}
      ${figure('Good frames', formatCount(link.frames))} ${figure('Packets', formatCount(link.packets))}
      ${figure('Symbols corrected', formatCount(link.corrected_symbols))}
      ${figure('Frames uncorrectable', formatCount(link.uncorrectable), link.uncorrectable > 0)}
      ${figure('Frame gaps', formatCount(link.gaps), link.gaps > 0)} ${figure('Connected', `${link.connections} times`)}
      ${link.sync ? [figure('Synchroniser', link.sync.state), figure('Bits without a frame', formatCount(link.sync.skipped_bits)), figure('Locks lost', formatCount(link.sync.losses), link.sync.losses > 0)] : nothing}
      ${figure('Last frame', since(link.last_frame))} ${figure('Last packet', since(link.last_packet))}
    </div>
    <div class="pg-pair">
      <div>
        <h3>Dropped, by reason</h3>
        ${reasons.length === 0
          ? html`<p class="pg-empty">Nothing was dropped.</p>`
          : html`<table class="pg-table">
              <tbody>
                ${reasons.map(([reason, count]) => html`<tr><td>${reasonWords(reason).title}</td><td class="pg-table__number">${count}</td></tr>`)}
              </tbody>
            </table>`}
      </div>
      <div>
        <h3>Communications link control word${link.ocf ? html` <code>${link.ocf}</code>` : nothing}</h3>
        ${clcw
          ? html`<div class="pg-lamps">
                ${lamp(!clcw.no_rf_available, 'RF available')} ${lamp(!clcw.no_bit_lock, 'Bit lock')}
                ${lamp(!clcw.lockout, clcw.lockout ? 'Lockout' : 'No lockout')} ${lamp(!clcw.wait, clcw.wait ? 'Wait' : 'No wait')}
                ${lamp(!clcw.retransmit, clcw.retransmit ? 'Retransmit' : 'No retransmit')}
              </div>
              <div class="pg-tiles">
                ${figure('Virtual channel', String(clcw.vcid))} ${figure('Report value V(R)', String(clcw.report_value))}
                ${figure('FARM-B counter', String(clcw.farm_b_counter))}
              </div>`
          : html`<p class="pg-empty">None was received on this link.</p>`}
      </div>
    </div>
  </section>`;
}
