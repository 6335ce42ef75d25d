// A real node for the tests: `perigee up` in a state directory of its own, on a free port, killed as hard as wanted.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const START_MS = 30_000;
const STOP_MS = 15_000;
const ROOT = resolve(import.meta.dirname, '../..');

/** The program to test: the one that is named, or the one that was built, release first. */
function binary() {
  const target = join(ROOT, 'target');
  const triples = existsSync(target) ? readdirSync(target) : [];
  const built = ['release', 'debug'].flatMap((profile) => [...triples, '.'].map((triple) => join(target, triple, profile, 'perigee')));
  const found = (process.env.PERIGEE_BIN ? [resolve(process.env.PERIGEE_BIN)] : built).find(existsSync);
  if (!found) throw new Error('no perigee was found: `make build`, or name it in PERIGEE_BIN');
  return found;
}

/** A cell of the battery fails within seconds, and again soon: a limit trips while a test waits. */
export const ANOMALY_SOON = ['simulator.first_anomaly="4s"', 'simulator.anomaly_every="30s"', 'simulator.anomaly="battery-cell"'];

export function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer().once('error', failed).listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

export class Node {
  #state = mkdtempSync(join(tmpdir(), 'perigee-node-'));
  #process;
  #output = '';

  /** `settings` are `TABLE.KEY=VALUE`, as for `perigee up --set`. */
  static async start(settings = []) {
    const node = new Node();
    node.port = await freePort();
    node.url = `http://127.0.0.1:${node.port}`;
    node.settings = settings;
    await node.start();
    return node;
  }

  /** The same state directory and port as before. */
  async start() {
    const listen = ['fanout', 'admin'].map((table) => `${table}.listen="127.0.0.1:${this.port}"`);
    const flags = [...this.settings, ...listen].flatMap((setting) => ['--set', setting]);
    this.#output = '';
    this.#process = spawn(binary(), ['up', '--state', this.#state, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    const read = (chunk) => { this.#output += chunk; };
    this.#process.stdout.on('data', read);
    this.#process.stderr.on('data', read);
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline && this.#process.exitCode === null) {
      const answer = await fetch(`${this.url}/ready`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
      // It is ready a moment before it has told the first password and then its address.
      if (answer?.ok && this.#output.includes('http://')) {
        this.password ??= this.#output.match(/one-time password (\S+)/)?.[1];
        return;
      }
      await new Promise((wake) => setTimeout(wake, 50));
    }
    throw new Error(`perigee did not start:\n${this.#output}`);
  }

  /** As a power cut would. */
  kill() {
    return this.#end('SIGKILL');
  }

  async remove() {
    await this.#end('SIGTERM');
    rmSync(this.#state, { recursive: true, force: true });
  }

  async #end(signal) {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.kill(signal);
    await ended;
    clearTimeout(late);
  }
}
