// Takes the pictures of the README from a real station: `npm run build && npm run pictures`, after the node was built.
// Lets the station run for a while first (MINUTES, 6 when left out), so that the plots have something to show.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openBrowser } from './browser.mjs';
import { Node } from './node.mjs';

const FOLDER = resolve(import.meta.dirname, '../../docs/images');
const MINUTES = Number(process.env.MINUTES ?? 6);
const VIEWS = {
  overview: '',
  plot: '#/browse/perigee.system:PerigeeSat/perigee.system:PerigeeSat~Power/perigee.parameter:PerigeeSat~Power~BatteryVoltage?hideInspector=true',
  links: '#/browse/perigee.page:links?hideInspector=true',
  units: '#/browse/perigee.page:units?hideInspector=true',
};

const PASSWORD = 'up and down in ninety minutes';

mkdirSync(FOLDER, { recursive: true });

/** An operator's view: units can be started and stopped, and the log of one is open. */
async function lookIntoUnits() {
  const form = async (fields, button) => {
    const dialog = page.getByRole('dialog');
    for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label, { exact: true }).fill(text);
    await dialog.getByRole('button', { name: button }).click();
  };
  await page.getByRole('button', { name: 'Log in' }).click();
  await form({ Name: 'admin', Password: node.password }, 'Log in');
  await form({ 'New password': PASSWORD, 'New password again': PASSWORD }, 'Change password');
  await page.getByRole('button', { name: 'link.task', exact: true }).click();
}

const node = await Node.start();
const { page, close } = await openBrowser({ width: 1440, height: 900 });
page.setDefaultTimeout(120_000);
try {
  await new Promise((wake) => setTimeout(wake, MINUTES * 60_000));
  for (const [name, place] of Object.entries(VIEWS)) {
    await page.goto('about:blank');
    await page.goto(`${node.url}/${place}`);
    if (name === 'units') await lookIntoUnits();
    await page.getByRole('status', { name: 'Connection' }).filter({ hasText: 'Live' }).waitFor();
    // Time for the archive to answer and the plots to be drawn.
    await new Promise((wake) => setTimeout(wake, 6_000));
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    console.log(join(FOLDER, `${name}.png`));
  }
} finally {
  await close();
  await node.remove();
}
