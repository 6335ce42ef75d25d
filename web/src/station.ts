// The station as the page knows it: the dictionary, who is logged in, and the present alarms, links and rejections,
// kept up to date by the stream and fetched anew after each reconnect.
import { ApiError, rest } from './api/rest.ts';
import { openStream, type Stream } from './api/stream.ts';
import type { About, Alarm, LinkStatus, Rejections, Session } from './api/types.ts';
import { Cell } from './cell.ts';
import { Dictionary } from './dictionary.ts';

export class Station {
  readonly alarms = new Cell<readonly Alarm[]>([]);
  readonly links = new Cell<readonly LinkStatus[]>([]);
  readonly rejections = new Cell<Rejections>({ total: 0, by_reason: {}, recent: [] });
  readonly session: Cell<Session>;

  private constructor(
    readonly about: About,
    readonly dictionary: Dictionary,
    readonly stream: Stream,
    session: Session,
  ) {
    this.session = new Cell(session);
    stream.follow('alarms', (message) => message.op === 'alarm' && this.#merge(message.alarm));
    stream.follow('links', (message) => message.op === 'links' && this.links.set(message.links));
    stream.follow('rejections', (message) => message.op === 'rejections' && this.rejections.set(message));
    stream.state.watch((state) => {
      if (state === 'live') void this.refresh();
      // A station that no longer knows the session refuses the stream, and says so only to a plain request.
      if (state === 'lost') void put(this.session, rest.session);
    });
  }

  static async open(session: Session): Promise<Station> {
    const [about, parameters] = await Promise.all([rest.about(), rest.parameters()]);
    return new Station(about, new Dictionary(parameters), openStream(), session);
  }

  /** Fetches what the stream only tells changes of. */
  async refresh(): Promise<void> {
    await Promise.all([
      this.#sameStation(),
      put(this.session, rest.session),
      put(this.alarms, rest.alarms),
      put(this.links, rest.links),
      put(this.rejections, rest.rejections),
    ]);
  }

  /** After a restart under another program or mission database, what this page knows of parameters is no longer right. */
  async #sameStation(): Promise<void> {
    const about = await rest.about().catch(() => this.about);
    const same = about.version === this.about.version && JSON.stringify(about.database) === JSON.stringify(this.about.database);
    if (!same) location.reload();
  }

  async acknowledge(id: number, comment: string): Promise<void> {
    this.#merge(await rest.acknowledge(id, comment));
  }

  /** Newest first; an alarm that has cleared and was acknowledged is over. */
  #merge(alarm: Alarm): void {
    const others = this.alarms.value.filter((other) => other.id !== alarm.id);
    const over = alarm.state === 'cleared' && alarm.acknowledged !== null;
    this.alarms.set(over ? others : [alarm, ...others].sort((a, b) => b.triggered - a.triggered));
  }
}

/** A cell whose question fails keeps its old value: the stream brings the next. */
async function put<T>(cell: Cell<T>, ask: () => Promise<T>): Promise<void> {
  try {
    cell.set(await ask());
  } catch (error) {
    // The session has ended and nothing may be read without one: the page opens anew, and asks.
    if (error instanceof ApiError && error.status === 401) location.reload();
    console.warn('refresh:', error);
  }
}
