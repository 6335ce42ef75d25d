import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Socket, Stream } from './stream.ts';
import type { Sample } from './types.ts';

class FakeSocket implements Socket {
  readyState = 1;
  sent: { op: string; parameters?: number[]; topics?: string[] }[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  send(text: string) {
    this.sent.push(JSON.parse(text) as (typeof this.sent)[number]);
  }
  close() {
    this.onclose?.();
  }
  says(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

let sockets: FakeSocket[];
let stream: Stream;
const sample = (id: number, v: number): Sample => ({ id, t: v, r: v, v, raw: v, s: 'nominal' });
const turn = () => Promise.resolve();

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  stream = new Stream(() => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket;
  });
});
afterEach(() => {
  vi.useRealTimers();
});

test('each parameter is asked for once, and given up with its last view', async () => {
  sockets[0]!.onopen!();
  const stops = [stream.watch(1, () => {}), stream.watch(1, () => {}), stream.watch(2, () => {})];
  await turn();
  expect(sockets[0]!.sent).toEqual([{ op: 'subscribe', parameters: [1, 2] }]);
  stops[0]!();
  await turn();
  expect(sockets[0]!.sent).toHaveLength(1);
  stops[1]!();
  await turn();
  expect(sockets[0]!.sent[1]).toEqual({ op: 'unsubscribe', parameters: [1] });
});

test('samples reach the views of their parameter, grouped and in order', () => {
  sockets[0]!.onopen!();
  const seen: number[][] = [];
  stream.watch(1, (samples) => seen.push(samples.map(({ v }) => v as number)));
  sockets[0]!.says({ op: 'values', samples: [sample(1, 10), sample(2, 20), sample(1, 11)] });
  sockets[0]!.says({ op: 'values', samples: [sample(2, 21)] });
  expect(seen).toEqual([[10, 11]]);
});

test('a lost connection is opened again, with waits that grow to a bound, and subscribes to all', async () => {
  sockets[0]!.onopen!();
  stream.watch(7, () => {});
  stream.follow('links', () => {});
  await turn();
  const states: string[] = [];
  stream.state.watch((state) => states.push(state));
  sockets[0]!.close();
  let waited = 0;
  for (let attempt = 1; attempt < 12; attempt += 1) {
    while (sockets.length === attempt) {
      vi.advanceTimersByTime(50);
      waited += 50;
    }
    sockets[attempt]!.close();
  }
  expect(waited).toBeGreaterThan(20_000);
  expect(waited).toBeLessThan(60_000);
  vi.advanceTimersByTime(7_000);
  sockets.at(-1)!.onopen!();
  expect(sockets.at(-1)!.sent).toEqual([{ op: 'subscribe', parameters: [7], topics: ['links'] }]);
  expect(states.at(-1)).toBe('live');
  expect(states).toContain('lost');
});

test('a station that falls silent is taken for lost', () => {
  sockets[0]!.onopen!();
  vi.advanceTimersByTime(6_000);
  expect(sockets[0]!.sent.at(-1)).toMatchObject({ op: 'ping' });
  sockets[0]!.says({ op: 'pong', n: 1 });
  vi.advanceTimersByTime(10_000);
  expect(stream.state.value).toBe('live');
  vi.advanceTimersByTime(10_000);
  expect(stream.state.value).not.toBe('live');
  expect(sockets.length).toBe(2);
});
