// The operators' page in a real browser against the real node, in the order of a working day: it opens, values live,
// a limit trips and is acknowledged, the node is killed and comes back, and the archive still draws what was before.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser } from './browser.mjs';
import { ANOMALY_SOON, Node } from './node.mjs';

const VOLTAGE = '/PerigeeSat/Power/BatteryVoltage';
const VOLTAGE_PATH = 'perigee.system:PerigeeSat/perigee.system:PerigeeSat~Power/perigee.parameter:PerigeeSat~Power~BatteryVoltage';
const PASSWORD = 'up and down in ninety minutes';
const SERIES_INK = [67, 176, 255];

let node;
let browser;
let page;
const began = Date.now();

beforeAll(async () => {
  node = await Node.start(ANOMALY_SOON);
  browser = await openBrowser();
  ({ page } = browser);
  page.setDefaultTimeout(60_000);
});

afterAll(async () => {
  await browser?.close();
  await node?.remove();
});

const value = (parameter) => page.locator(`.pg-row[data-parameter="${parameter}"] .pg-row__value`);
const connection = () => page.getByRole('status', { name: 'Connection' });

/** Waits until the text of a row is another, and none of the words for nothing. */
async function changes(parameter) {
  const row = value(parameter);
  await row.filter({ hasText: /\d/ }).waitFor();
  const before = await row.textContent();
  await expect.poll(() => row.textContent(), { timeout: 60_000 }).not.toBe(before);
}

/** How many points of a picture of an element have this colour, give or take. */
async function ink(locator, [red, green, blue]) {
  const picture = (await locator.screenshot()).toString('base64');
  return page.evaluate(
    async ({ picture, red, green, blue }) => {
      const image = new Image();
      image.src = `data:image/png;base64,${picture}`;
      await image.decode();
      const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (Math.abs(data[i] - red) + Math.abs(data[i + 1] - green) + Math.abs(data[i + 2] - blue) < 40) count += 1;
      }
      return count;
    },
    { picture, red, green, blue },
  );
}

test('the page opens on the overview, in silence, under a strict policy', async () => {
  const answer = await page.goto(node.url);
  await page.getByRole('heading', { name: 'PerigeeSat' }).waitFor();
  for (const panel of ['Power', 'Thermal', 'Attitude', 'Orbit', 'Links', 'Alarm summary']) {
    await page.getByRole('region', { name: panel, exact: true }).waitFor();
  }
  await page.getByText('Frame lock').first().waitFor();
  await connection().filter({ hasText: 'Live' }).waitFor();
  expect(answer.headers()['content-security-policy']).not.toContain('unsafe-');
  expect(browser.problems).toEqual({ console: [], outside: [] });
});

test('a value changes', async () => {
  await changes('/PerigeeSat/Orbit/Latitude');
});

test('a limit trips and is acknowledged', async () => {
  const alarm = page.locator('.pg-alarm[data-state="active"]').first();
  await alarm.waitFor();
  const name = await alarm.getAttribute('data-parameter');
  const mine = page.locator(`.pg-alarm[data-parameter="${name}"]`);

  // Anyone may look; to acknowledge, the page asks who it is, and for a password of one's own.
  await mine.getByRole('button', { name: 'Acknowledge' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('admin');
  await dialog.getByLabel('Password').fill(node.password);
  await dialog.getByRole('button', { name: 'Log in' }).click();
  await dialog.getByLabel('New password', { exact: true }).fill(PASSWORD);
  await dialog.getByLabel('New password again').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Change password' }).click();
  await expect.poll(async () => (await alarms()).find((one) => one.name === name)?.acknowledged?.by ?? 'gone', { timeout: 30_000 }).toMatch(/^(admin|gone)$/);
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  await expect.poll(() => mine.getByRole('button', { name: 'Acknowledge' }).count()).toBe(0);
  // The refusal that made the page ask is the only thing the browser complained of.
  expect(browser.problems.console.splice(0)).toEqual([expect.stringContaining('/acknowledge')]);
});

const alarms = async () => (await (await fetch(`${node.url}/api/alarms`)).json()).alarms;

test('units are a tree; their log is live, and who may stops and starts them', async () => {
  await page.goto(`${node.url}/#/browse/perigee.page:units?hideInspector=true`);
  const row = (unit) => page.locator(`tr[data-unit="${unit}"]`).first();
  await row('simulator.task').filter({ hasText: 'running' }).waitFor();
  const names = await page.locator('tr[data-unit]').evaluateAll((rows) => rows.map((row) => `${row.querySelector('td').dataset.depth} ${row.dataset.unit}`));
  expect(names).toEqual(['0 station.target', '1 fanout.task', '2 link.task', '3 simulator.task', '3 telemetry.task']);

  await page.getByRole('button', { name: 'link.task', exact: true }).click();
  const log = page.getByRole('region', { name: 'Log of link.task' });
  await log.getByText('connected link=PerigeeSat').first().waitFor();
  // The page needs the links, and they the simulator: all go, and come back by themselves.
  await page.getByRole('button', { name: 'restart simulator.task' }).click();
  await expect.poll(() => log.getByText('connected link=PerigeeSat').count(), { timeout: 60_000 }).toBeGreaterThan(1);
  await row('fanout.task').filter({ hasText: 'running' }).waitFor();
  await connection().filter({ hasText: 'Live' }).waitFor();
  expect(await (await fetch(`${node.url}/ready`)).status).toBe(200);
  await page.goto(`${node.url}/#/browse/perigee.page:overview?hideInspector=true`);
  await changes('/PerigeeSat/Orbit/Latitude');
  expect(browser.problems.console.splice(0).filter((text) => !/ERR_|WebSocket|EventSource|Failed to load resource/.test(text))).toEqual([]);
});

test('the page finds back to a node that was killed', async () => {
  await node.kill();
  await connection().filter({ hasText: 'lost' }).waitFor();
  await node.start();
  await connection().filter({ hasText: 'Live' }).waitFor();
  await changes('/PerigeeSat/Orbit/Latitude');
  // What a browser says of a server that is not there.
  expect(browser.problems.console.splice(0).filter((text) => !/ERR_CONNECTION|WebSocket|Failed to load resource/.test(text))).toEqual([]);
});

test('history from before the restart is drawn and listed', async () => {
  const killed = Date.now();
  const { samples } = await (await fetch(`${node.url}/api/history?parameter=${await id(VOLTAGE)}&start=${began}&end=${killed}`)).json();
  expect(samples.length).toBeGreaterThan(5);
  const [first] = samples;
  // A span that is over when the page opens: only the archive can fill it. Short enough for a table without scrolling.
  const place = `${node.url}/#/browse/${VOLTAGE_PATH}?tc.mode=fixed&tc.startBound=${first.t}&tc.endBound=${first.t + 6_000}&tc.timeSystem=utc`;
  await page.goto('about:blank');
  await page.goto(`${place}&view=plot-single`);
  const plot = page.locator('.gl-plot-chart-area').first();
  await plot.waitFor();
  await expect.poll(() => ink(plot, SERIES_INK), { timeout: 60_000 }).toBeGreaterThan(20);

  await page.goto(`${place}&view=table`);
  const time = new Date(first.t).toISOString().replace('T', ' ');
  await page.locator('td:visible', { hasText: time }).first().waitFor();
  expect(browser.problems).toEqual({ console: [], outside: [] });
});

test('where nobody may look unknown, the page asks first', async () => {
  const closed = await Node.start(['fanout.anonymous="none"']);
  try {
    expect((await fetch(`${closed.url}/api/latest`)).status).toBe(401);
    await page.goto(closed.url);
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('admin');
    await dialog.getByLabel('Password').fill(closed.password);
    await dialog.getByRole('button', { name: 'Log in' }).click();
    await dialog.getByLabel('New password', { exact: true }).fill(PASSWORD);
    await dialog.getByLabel('New password again').fill(PASSWORD);
    await dialog.getByRole('button', { name: 'Change password' }).click();
    await changes('/PerigeeSat/Orbit/Latitude');
  } finally {
    await closed.remove();
  }
});

const id = async (name) => (await (await fetch(`${node.url}/api/parameters`)).json()).parameters.find((one) => one.name === name).id;
