// The one WebSocket that the page shares. Views subscribe to parameters and topics; the socket asks the station for
// each once, however many views look at it, and asks again after every reconnect. Waits between attempts grow to a
// bound; a station that falls silent is taken for lost.
import { Cell } from '../cell.ts';
import type { Sample, StreamMessage, Topic } from './types.ts';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;
const PING_MS = 5_000;
const SILENCE_MS = 12_000;
/** `WebSocket.OPEN`, spelled out for tests that have no WebSocket. */
const OPEN = 1;

export type ConnectionState = 'connecting' | 'live' | 'lost';
type Stop = () => void;
type TopicMessage = Extract<StreamMessage, { op: 'alarm' | 'links' | 'rejections' }>;

/** What the stream needs of a WebSocket; a test gives its own. */
export interface Socket {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
}

export class Stream {
  readonly state = new Cell<ConnectionState>('connecting');
  /** Values that the station dropped because this page was too slow. */
  readonly missed = new Cell(0);

  #socket: Socket | undefined;
  #attempts = 0;
  #heardAt = 0;
  #pings = 0;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #parameters = new Map<number, Set<(samples: Sample[]) => void>>();
  #topics = new Map<Topic, Set<(message: TopicMessage) => void>>();
  #added = new Set<number>();
  #removed = new Set<number>();
  #flushing = false;

  constructor(private readonly open: () => Socket) {
    this.#connect();
  }

  /** Calls back with each group of new samples of a parameter, in the order of arrival. */
  watch(id: number, callback: (samples: Sample[]) => void): Stop {
    let callbacks = this.#parameters.get(id);
    if (!callbacks) {
      this.#parameters.set(id, (callbacks = new Set()));
      this.#removed.delete(id);
      this.#added.add(id);
      this.#flushSoon();
    }
    callbacks.add(callback);
    return () => {
      callbacks.delete(callback);
      if (callbacks.size > 0 || this.#parameters.get(id) !== callbacks) return;
      this.#parameters.delete(id);
      if (!this.#added.delete(id)) this.#removed.add(id);
      this.#flushSoon();
    };
  }

  /** Calls back with each message of a topic. The present state is not among them: ask for it by REST. */
  follow(topic: Topic, callback: (message: TopicMessage) => void): Stop {
    let callbacks = this.#topics.get(topic);
    if (!callbacks) {
      this.#topics.set(topic, (callbacks = new Set()));
      this.#send({ op: 'subscribe', topics: [topic] });
    }
    callbacks.add(callback);
    return () => {
      callbacks.delete(callback);
      if (callbacks.size > 0 || this.#topics.get(topic) !== callbacks) return;
      this.#topics.delete(topic);
      this.#send({ op: 'unsubscribe', topics: [topic] });
    };
  }

  /** Starts over at once, as after logging in. */
  reconnect(): void {
    this.#attempts = 0;
    this.#socket?.close();
  }

  #connect(): void {
    const socket = this.open();
    this.#socket = socket;
    // A socket that never opens is given up like a silent one.
    this.#heardAt = Date.now();
    clearInterval(this.#watchdog);
    this.#watchdog = setInterval(() => this.#check(socket), PING_MS);
    socket.onopen = () => {
      this.#attempts = 0;
      this.#heardAt = Date.now();
      this.#added.clear();
      this.#removed.clear();
      const parameters = [...this.#parameters.keys()];
      const topics = [...this.#topics.keys()];
      if (parameters.length + topics.length > 0) this.#send({ op: 'subscribe', parameters, topics });
      this.state.set('live');
    };
    socket.onmessage = (event) => {
      this.#heardAt = Date.now();
      this.#receive(JSON.parse(String(event.data)) as StreamMessage);
    };
    socket.onclose = () => this.#lost(socket);
  }

  #lost(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearInterval(this.#watchdog);
    socket.onopen = socket.onmessage = socket.onclose = null;
    this.state.set('lost');
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    // Spread out, so that a hundred pages do not come back in the same instant.
    setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  #check(socket: Socket): void {
    if (Date.now() - this.#heardAt > SILENCE_MS) {
      socket.close();
      this.#lost(socket);
    } else if (this.state.value === 'live') {
      this.#pings += 1;
      this.#send({ op: 'ping', n: this.#pings });
    }
  }

  #receive(message: StreamMessage): void {
    switch (message.op) {
      case 'values':
        return this.#deliver(message.samples);
      case 'missed':
        return this.missed.set(this.missed.value + message.count);
      case 'alarm':
        return this.#topics.get('alarms')?.forEach((callback) => callback(message));
      case 'links':
      case 'rejections':
        return this.#topics.get(message.op)?.forEach((callback) => callback(message));
      case 'error':
        console.warn('stream:', message.error.message);
    }
  }

  #deliver(samples: Sample[]): void {
    const groups = new Map<number, Sample[]>();
    for (const sample of samples) {
      const group = groups.get(sample.id);
      if (group) group.push(sample);
      else groups.set(sample.id, [sample]);
    }
    for (const [id, group] of groups) this.#parameters.get(id)?.forEach((callback) => callback(group));
  }

  /** A view that opens subscribes to many parameters in one turn: one message tells the station of all. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      if (this.#removed.size > 0) this.#send({ op: 'unsubscribe', parameters: [...this.#removed] });
      if (this.#added.size > 0) this.#send({ op: 'subscribe', parameters: [...this.#added] });
      this.#removed.clear();
      this.#added.clear();
    });
  }

  /** While there is no open socket nothing need be said: onopen of the next subscribes to everything. */
  #send(message: object): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }
}

/** The station's stream, on the host that served the page. */
export function openStream(): Stream {
  const url = new URL('/api/stream', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new Stream(() => new WebSocket(url, 'perigee.v1.json') as unknown as Socket);
}
