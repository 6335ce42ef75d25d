// Opens the page: who is there, what the mission database holds, then Open MCT with the station's plugin.
import 'openmct-theme.css';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { ApiError, rest } from './api/rest.ts';
import type { Session } from './api/types.ts';
import { explain, logIn } from './session/dialog.ts';
import { Station } from './station.ts';

const RETRY_MS = 2_000;

async function session(): Promise<Session> {
  try {
    return await rest.session();
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
  }
  for (;;) {
    const session = await logIn({ required: true });
    if (session) return session;
  }
}

/** Until the station answers, the page says what is wrong and keeps asking. */
async function open(): Promise<Station> {
  for (;;) {
    try {
      return await Station.open(await session());
    } catch (error) {
      splash(explain(error));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function splash(text: string): void {
  const element = document.querySelector('#pg-splash p');
  if (element) element.textContent = text;
}

const [station, { start }] = await Promise.all([open(), import('./mct/start.ts')]);
start(station);
document.querySelector('#pg-splash')?.remove();
