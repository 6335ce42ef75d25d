// Puts Open MCT together: its own plugins that an operator needs, and the station's.
import openmct from 'openmct';
import { ApiError, rest } from '../api/rest.ts';
import { drawOverview } from '../overview/view.ts';
import { changePassword, explain, logIn } from '../session/dialog.ts';
import type { Station } from '../station.ts';
import { drawLinks } from '../views/links.ts';
import { drawReceived } from '../views/received.ts';
import { drawSystem } from '../views/system.ts';
import { drawUndecoded } from '../views/undecoded.ts';
import { drawUnits } from '../views/units.ts';
import { installFaults } from './faults.ts';
import { installIndicators } from './indicators.ts';
import { PAGE, PAGES, pagePath, SYSTEM, Tree } from './objects.ts';
import { installTelemetry } from './telemetry.ts';
import { addView } from './views.ts';
import logo from '../perigee.svg';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FAULTS_PATH = '/browse/faults.taxonomy:faultManagement.view';

export function start(station: Station): void {
  openmct.setAssetPath(__OPENMCT_ASSETS__);
  openmct.branding({ smallLogoImage: logo, aboutHtml: aboutHtml(station) });
  document.title = `${station.about.station} · Perigee`;

  const { plugins } = openmct;
  openmct.install(plugins['LocalStorage']!());
  openmct.install(plugins['MyItems']!());
  openmct.install(plugins['UTCTimeSystem']!());
  openmct.install(plugins['LADTable']!());
  openmct.install(plugins['DisplayLayout']!());
  openmct.install(plugins['ClearData']!(['table', 'telemetry.plot.overlay', 'telemetry.plot.stacked'], { indicator: false }));
  openmct.install(plugins['Conductor']!({ menuOptions: timeModes() }));

  // Pages of other hosts cannot be framed: the policy allows none.
  openmct.types.get('webPage').definition.creatable = false;

  const tree = new Tree(station.dictionary);
  tree.install(openmct);
  installTelemetry(openmct, station, tree);

  const enter = async (note?: string): Promise<boolean> => {
    const session = await logIn(note === undefined ? {} : { note });
    if (!session) return false;
    station.session.set(session);
    station.stream.reconnect();
    return true;
  };
  const acknowledge = async (id: number, comment: string): Promise<void> => {
    try {
      await station.acknowledge(id, comment);
    } catch (error) {
      const refused = error instanceof ApiError && (error.status === 401 || error.status === 403);
      if (!refused) return openmct.notifications.error(`The alarm was not acknowledged. ${explain(error)}`);
      // Once more under a name that may; a second refusal is told.
      if (!(await enter(`${error.message} Log in as an operator to acknowledge alarms.`))) return;
      await station.acknowledge(id, comment).catch((again: unknown) => openmct.notifications.error(explain(again)));
    }
  };
  const act = async (unit: string, action: 'start' | 'stop' | 'restart'): Promise<void> => {
    try {
      await rest.act(unit, action);
    } catch (error) {
      openmct.notifications.error(`Could not ${action} ${unit}. ${explain(error)}`);
    }
  };
  installFaults(openmct, station, acknowledge);
  installIndicators(openmct, station, {
    logIn: () => void enter(),
    // Begins anew: what an anonymous reader may see is for the station to say.
    logOut: () => void rest.logout().finally(() => location.reload()),
    changePassword: () => void changePassword(),
    showAlarms: () => openmct.router.navigate(FAULTS_PATH),
  });

  const go = (path: string) => openmct.router.navigate(path);
  const view = (page: keyof typeof PAGES, draw: Parameters<typeof addView>[4]) =>
    addView(openmct, `${PAGE}.${page}`, PAGES[page].name, PAGES[page].cssClass, draw);
  view('overview', (element) => drawOverview(element, station, { go, acknowledge, alarmsPath: FAULTS_PATH }));
  view('links', (element) => drawLinks(element, station));
  view('undecoded', (element) => drawUndecoded(element, station));
  view('received', (element) => drawReceived(element, station));
  view('units', (element) => drawUnits(element, station, act));
  addView(openmct, SYSTEM, 'Parameters', 'icon-tabular-lad', (element, object) => drawSystem(element, station, tree.system(object), go));

  if (location.hash.length <= '#/'.length) location.hash = `#${pagePath('overview')}?hideInspector=true&hideRecents=true`;
  openmct.start();
}

/** The last half hour, moving; or a fixed span of the archive. */
function timeModes(): object[] {
  const span = (label: string, length: number) => ({ label, length });
  const spans = [span('Last day', 24 * HOUR_MS), span('Last 6 hours', 6 * HOUR_MS), span('Last hour', HOUR_MS), span('Last 15 minutes', 15 * MINUTE_MS), span('Last 5 minutes', 5 * MINUTE_MS)];
  return [
    {
      name: 'Real time',
      timeSystem: 'utc',
      clock: 'local',
      clockOffsets: { start: -15 * MINUTE_MS, end: 15_000 },
      presets: spans.map(({ label, length }) => ({ label, bounds: { start: -length, end: 15_000 } })),
    },
    {
      name: 'Fixed',
      timeSystem: 'utc',
      bounds: { start: Date.now() - HOUR_MS, end: Date.now() },
      presets: spans.map(({ label, length }) => ({ label, bounds: { start: () => Date.now() - length, end: () => Date.now() } })),
      records: 10,
    },
  ];
}

function aboutHtml({ about }: Station): string {
  const text = (value: string) => value.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<h1>Perigee ${text(about.version)}</h1><p>Station ${text(about.station)}, mission database ${text(about.database.name)} ${text(about.database.version)}: ${about.database.parameters} parameters in ${about.database.containers} containers.</p>`;
}
