// Debian's Chromium, driven by playwright-core: headless, alone, and deaf to everything but the station.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PATH = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** A browser with a new profile; `problems` gathers what a page must never do. */
export async function openBrowser({ width = 1440, height = 900 } = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'perigee-web-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: PATH, headless: true, args: FLAGS, viewport: { width, height } });
  const [page] = context.pages();
  const problems = { console: [], outside: [] };
  page.on('pageerror', (error) => problems.console.push(String(error.stack ?? error)));
  page.on('console', (message) => message.type() === 'error' && problems.console.push(`${message.text()} ${message.location().url}`));
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && hostname !== '127.0.0.1') problems.outside.push(request.url());
  });
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { page, problems, close };
}
