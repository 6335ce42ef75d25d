// The station's REST API. Every call has a deadline, and every refusal arrives as an ApiError with the station's own
// words. Nothing is retried here: who asks knows whether asking twice is right.
import type { About, Alarm, Channel, History, LinkStatus, Parameter, Rejections, Sample, Session, Units } from './types.ts';

const DEADLINE_MS = 10_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

interface Request {
  post?: unknown;
  signal?: AbortSignal | undefined;
}

async function call<T>(path: string, { post, signal }: Request = {}): Promise<T> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const response = await fetch(`/api/${path}`, {
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    ...(post !== undefined && {
      method: 'POST',
      // The header tells the station that no foreign page sent this.
      headers: { 'content-type': 'application/json', 'x-perigee-request': '1' },
      body: JSON.stringify(post),
    }),
  });
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

function refusal(status: number, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; hint?: string } };
    return new ApiError(status, error.code, error.message, error.hint ?? '');
  } catch {
    return new ApiError(status, 'http', `The station answered with status ${status}.`, '');
  }
}

export const rest = {
  about: () => call<About>('about'),
  parameters: () => call<{ parameters: Parameter[] }>('parameters').then((answer) => answer.parameters),
  latest: (ids: readonly number[], signal?: AbortSignal) =>
    call<{ samples: Sample[] }>(`latest?parameters=${ids.join(',')}`, { signal }).then((answer) => answer.samples),
  history: (query: { parameter: number; start: number; end: number; points?: number | undefined }, signal?: AbortSignal) => {
    const { parameter, start, end, points } = query;
    const size = points === undefined ? '' : `&points=${Math.max(1, Math.floor(points))}`;
    return call<History>(`history?parameter=${parameter}&start=${Math.floor(start)}&end=${Math.ceil(end)}${size}`, { signal });
  },
  alarms: () => call<{ alarms: Alarm[] }>('alarms').then((answer) => answer.alarms),
  acknowledge: (id: number, comment: string) => call<Alarm>(`alarms/${id}/acknowledge`, { post: { comment } }),
  links: () => call<{ links: LinkStatus[] }>('links').then((answer) => answer.links),
  rejections: () => call<Rejections>('rejections'),
  completeness: (start: number, end: number) =>
    call<{ channels: Channel[] }>(`completeness?start=${Math.floor(start)}&end=${Math.ceil(end)}`).then((answer) => answer.channels),
  units: (signal?: AbortSignal) => call<Units>('units', { signal }),
  act: (unit: string, action: 'start' | 'stop' | 'restart') =>
    call<{ jobs: unknown[] }>(`units/${encodeURIComponent(unit)}/${action}`, { post: {} }),
  session: () => call<Session>('session'),
  login: (name: string, password: string) => call<Session>('login', { post: { name, password } }),
  password: (old: string, fresh: string) => call<void>('password', { post: { old, new: fresh } }),
  logout: () => call<void>('logout', { post: {} }),
};
