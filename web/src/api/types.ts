// The shapes of the station's HTTP API (edge/fanout). Times are milliseconds of the Unix epoch.

export type Severity = 'nominal' | 'watch' | 'warning' | 'distress' | 'critical' | 'severe';
export type Kind =
  | 'unsigned' | 'signed' | 'float' | 'boolean' | 'enumerated' | 'string' | 'binary' | 'time' | 'structured';
export type Role = 'observer' | 'operator' | 'commander' | 'admin';
export type Value = number | string | boolean | null;

/** Inclusive bounds of what is allowed; null where that side is open. */
export type Range = [low: number | null, high: number | null];
export type Limits = Partial<Record<Exclude<Severity, 'nominal'>, Range | null>>;

/** A unit of the station or of the machine, as a supervisor lists it. */
export interface Unit {
  supervisor: 'station' | 'machine';
  unit: string;
  active: 'inactive' | 'activating' | 'active' | 'reloading' | 'deactivating' | 'failed';
  sub: string;
  description: string;
  /** What is being done with it. */
  job?: string;
  restarts: number;
  /** Whether it does its work, where it is asked for that and is there. */
  health?: 'starting' | 'healthy' | 'unhealthy';
  /** Octets. */
  memory?: number;
  /** Microseconds. */
  cpu?: number;
  /** Units that it requires or wants. */
  needs: string[];
}

export interface Units {
  units: Unit[];
  /** Supervisors that do not answer. */
  silent: string[];
}

/** A line that a unit has printed. */
export interface LogRecord {
  seq: number;
  /** RFC 3339. */
  time: string;
  /** 0 emergency to 7 debug. */
  prio?: number;
  msg?: string;
}

export interface Parameter {
  id: number;
  /** Qualified: `/System/Subsystem/Name`. */
  name: string;
  description?: string | null;
  unit?: string | null;
  kind: Kind;
  /** Of an enumeration, or of false and true. */
  labels?: string[] | null;
  limits?: Limits | null;
}

export interface Sample {
  id: number;
  /** Generation and reception time. */
  t: number;
  r: number;
  v: Value;
  raw: Value;
  s: Severity;
}

/** A point of history; down-sampled points carry the extremes of their interval. */
export interface HistorySample {
  t: number;
  v: Value;
  s: Severity;
  min?: number | null;
  max?: number | null;
}

export interface History {
  samples: HistorySample[];
  sampled: boolean;
  truncated?: boolean;
}

export interface Alarm {
  id: number;
  name: string;
  severity: Severity;
  value: Value;
  limit: string;
  triggered: number;
  count: number;
  state: 'active' | 'cleared';
  acknowledged: { by: string; at: number; comment: string } | null;
}

export interface Clcw {
  vcid: number;
  no_rf_available: boolean;
  no_bit_lock: boolean;
  lockout: boolean;
  wait: boolean;
  retransmit: boolean;
  farm_b_counter: number;
  report_value: number;
}

export interface Sync {
  state: 'search' | 'verify' | 'lock' | 'flywheel';
  skipped_bits: number;
  losses: number;
  flywheel: number;
  slips: number;
}

export interface LinkStatus {
  name: string;
  kind: string;
  address: string;
  content: string;
  connected: boolean;
  bit_lock: boolean;
  frame_lock: boolean;
  sync: Sync | null;
  connections: number;
  error: string | null;
  octets: number;
  frames: number;
  packets: number;
  octet_rate: number;
  frame_rate: number;
  packet_rate: number;
  corrected_symbols: number;
  uncorrectable: number;
  gaps: number;
  rejections: Record<string, number>;
  ocf: string | null;
  clcw: Clcw | null;
  last_frame: number | null;
  last_packet: number | null;
}

export interface Rejection {
  t: number;
  link: string;
  vcid: number | null;
  reason: string;
  detail: string;
  /** The first octets, in hex. */
  octets: string;
}

export interface Rejections {
  total: number;
  by_reason: Record<string, number>;
  recent: Rejection[];
}

export interface Channel {
  link: string;
  scid: number | null;
  vcid: number | null;
  apid: number | null;
  spans: [start: number, end: number, count: number][];
  gaps: [start: number, end: number, missing: number][];
}

export interface Session {
  name: string;
  role: Role;
  must_change_password?: boolean;
}

export interface About {
  name: string;
  version: string;
  station: string;
  started: number;
  database: { name: string; version: string; parameters: number; containers: number };
}

export type Topic = 'alarms' | 'links' | 'rejections';

export type StreamMessage =
  | { op: 'values'; samples: Sample[] }
  | { op: 'missed'; count: number }
  | { op: 'alarm'; alarm: Alarm }
  | { op: 'links'; links: LinkStatus[] }
  | ({ op: 'rejections' } & Rejections)
  | { op: 'pong'; n: number }
  | { op: 'error'; error: { code: string; message: string } };
