// The head of the page: connection, alarms, who is logged in, UTC.
import { html, nothing, render } from 'lit-html';
import type { OpenMCT } from 'openmct';
import { SEVERITIES, worst } from '../severity.ts';
import type { Station } from '../station.ts';

export interface Actions {
  logIn(): void;
  logOut(): void;
  changePassword(): void;
  showAlarms(): void;
}

export function installIndicators(openmct: OpenMCT, station: Station, actions: Actions): void {
  const add = (key: string, priority: number): HTMLElement => {
    const element = document.createElement('div');
    element.className = `pg-indicator pg-indicator--${key}`;
    openmct.indicators.add({ key: `perigee-${key}`, element, priority });
    return element;
  };
  clock(add('clock', 1));
  account(add('account', 2), station, actions);
  alarms(add('alarms', 3), station, actions);
  connection(add('connection', 4), station);
}

function connection(element: HTMLElement, { stream }: Station): void {
  const words = { connecting: 'Connecting', live: 'Live', lost: 'Connection lost, trying again' };
  const draw = () => {
    const state = stream.state.value;
    const missed = stream.missed.value > 0 ? ` · ${stream.missed.value} values missed` : '';
    element.dataset['state'] = state;
    element.title = `${words[state]}${missed}`;
    render(html`<i class="pg-dot"></i><span role="status" aria-label="Connection">${words[state]}${missed}</span>`, element);
  };
  stream.state.watch(draw);
  stream.missed.watch(draw);
}

function alarms(element: HTMLElement, station: Station, { showAlarms }: Actions): void {
  station.alarms.watch((all) => {
    const active = all.filter(({ state }) => state === 'active');
    const open = all.filter(({ acknowledged }) => acknowledged === null);
    element.dataset['severity'] = worst(active.map(({ severity }) => severity));
    const counts = SEVERITIES.slice(1)
      .map((severity) => [severity, active.filter((alarm) => alarm.severity === severity).length] as const)
      .filter(([, count]) => count > 0);
    element.title = counts.map(([severity, count]) => `${count} ${severity}`).join(', ') || 'No alarm is active';
    render(
      html`<button @click=${showAlarms} aria-label="Alarms">
        <i class="pg-dot ${open.length > 0 ? 'pg-dot--unacknowledged' : ''}"></i>
        ${active.length === 0 ? 'No alarms' : `${active.length} alarm${active.length === 1 ? '' : 's'}`}
        ${open.length > 0 ? html`<em>${open.length} to acknowledge</em>` : nothing}
      </button>`,
      element,
    );
  });
}

function account(element: HTMLElement, station: Station, actions: Actions): void {
  station.session.watch(({ name, role }) => {
    const anonymous = name === 'anonymous';
    render(
      anonymous
        ? html`<button @click=${actions.logIn} aria-label="Log in">Log in</button><em title="Reading needs no account">${role}</em>`
        : html`<button @click=${actions.changePassword} title="Change the password" aria-label="Account">${name}</button>
            <em>${role}</em>
            <button @click=${actions.logOut} aria-label="Log out">Log out</button>`,
      element,
    );
  });
}

function clock(element: HTMLElement): void {
  const tick = () => {
    const now = new Date();
    const day = Math.floor((Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()) - Date.UTC(now.getUTCFullYear(), 0, 0)) / 86_400_000);
    const text = now.toISOString();
    element.title = 'This computer’s clock';
    render(html`<em>${text.slice(0, 10)} · ${String(day).padStart(3, '0')}</em><b>${text.slice(11, 19)}</b><em>UTC</em>`, element);
    setTimeout(tick, 1000 - (Date.now() % 1000));
  };
  tick();
}
