// A made-up station with a made-up satellite behind the real HTTP API, to work on the page without building the node:
// `node test/fake-station.mjs [port]` after `npm run build`. It sends the policy that the real one sends, so that a
// violation shows at once.
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';

const DIST = join(import.meta.dirname, '../dist');
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff': 'font/woff', '.ttf': 'font/ttf', '.png': 'image/png', '.jpg': 'image/jpeg' };
export const POLICY = [
  "default-src 'none'", "script-src 'self'", "worker-src 'self'", "connect-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
  "font-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join('; ');

const SAT = '/PerigeeSat';
const ORBIT_MS = 95 * 60_000;
const lit = (t) => Math.cos((2 * Math.PI * t) / ORBIT_MS) > -0.45;
const wave = (t, minutes, phase = 0) => Math.sin((2 * Math.PI * t) / (minutes * 60_000) + phase);
const noise = (t, seed) => { const x = Math.sin(t * 12.9898e-3 + seed * 78.233) * 43758.5453; return x - Math.floor(x) - 0.5; };
const upper = (watch, warning, critical) => ({ watch: [null, watch], warning: [null, warning], critical: [null, critical] });
const both = (warning, critical) => ({ warning, critical });

/** name, unit, value of time, limits, kind, labels */
const MODEL = [
  ['Power/BatteryVoltage', 'V', (t) => 15.6 + 0.9 * wave(t, 95) + 0.03 * noise(t, 1), both([14.6, 16.8], [14.0, 17.2])],
  ['Power/BatteryCurrent', 'A', (t) => (lit(t) ? 1.8 : -2.1) + 0.1 * noise(t, 2)],
  ['Power/StateOfCharge', '%', (t) => 78 + 14 * wave(t, 95, -0.6) , { watch: [60, null], warning: [45, null], critical: [30, null] }],
  ['Power/Rail5Voltage', 'V', (t) => 5.02 + 0.02 * noise(t, 3), both([4.8, 5.2], [4.6, 5.4])],
  ['Power/LoadPower', 'A', (t) => 1.3 + 0.2 * wave(t, 7) + 0.05 * noise(t, 4)],
  ['Power/ArrayPower', 'W', (t) => (lit(t) ? 34 + 4 * wave(t, 3) : 0.1) + 0.3 * noise(t, 5)],
  ['Thermal/BatteryTemperature', 'degC', (t) => 18 + 7 * wave(t, 95, -0.9) + 0.1 * noise(t, 6) + (t % 240_000 > 150_000 ? 14 : 0), upper(30, 35, 45)],
  ['Thermal/OpticsTemperature', 'degC', (t) => 24 + 4 * wave(t, 95, -0.3) + 0.1 * noise(t, 7), upper(40, 50, 60)],
  ['Thermal/StructureTemperature', 'degC', (t) => (lit(t) ? 52 : -28) + 6 * wave(t, 95)],
  ['Thermal/TransmitterTemperature', 'degC', (t) => 31 + 3 * wave(t, 11), upper(50, 60, 70)],
  ['Thermal/BatteryHeater', '', (t) => !lit(t), null, 'boolean'],
  ['Attitude/PointingMode', '', (t) => (t % 900_000 < 60_000 ? 'SUN' : 'NADIR'), null, 'enumerated', ['SAFE', 'DETUMBLE', 'SUN', 'NADIR']],
  ['Attitude/PointingError', 'deg', (t) => 0.08 + 0.04 * wave(t, 5) + 0.02 * noise(t, 8), upper(0.5, 1, 5)],
  ...['Rate.X', 'Rate.Y', 'Rate.Z'].map((name, i) => [`Attitude/${name}`, 'deg/s', (t) => 0.02 * wave(t, 3, i * 2) + 0.01 * noise(t, 9 + i), both([-1, 1], [-3, 3])]),
  ...['Q1', 'Q2', 'Q3', 'Q4'].map((name, i) => [`Attitude/Quaternion.${name}`, '', (t) => { const a = (Math.PI * t) / (ORBIT_MS / 12); return [0.3 * Math.sin(a), 0.9 * Math.sin(a), 0.3 * Math.sin(a), Math.cos(a)][i]; }]),
  ...[0, 1, 2, 3].map((n) => [`Attitude/Wheels[${n}].Speed`, 'rpm', (t) => 2400 + 350 * wave(t, 13, n) + 5 * noise(t, 12 + n), both([-5000, 5000], [-6000, 6000])]),
  ['Orbit/Latitude', 'deg', (t) => 52 * wave(t, 95)],
  ['Orbit/Longitude', 'deg', (t) => { const x = ((t / ORBIT_MS) * 360 - (t / 86_400_000) * 360 + 15 * Math.sin((4 * Math.PI * t) / ORBIT_MS)) % 360; return x > 180 ? x - 360 : x; }],
  ['Orbit/Altitude', 'km', (t) => 521 + 6 * wave(t, 95, 1)],
  ['Orbit/BetaAngle', 'km/s', (t) => 7.61 + 0.003 * wave(t, 95, 1)],
  ['Orbit/InSunlight', '', lit, null, 'boolean'],
  ['Payload/PayloadMode', '', (t) => (lit(t) ? 'IMAGING' : 'IDLE'), null, 'enumerated', ['OFF', 'IDLE', 'IMAGING', 'FAULT']],
  ['Payload/StoreFill', '%', (t) => (t / 120_000) % 100, { watch: [null, 80], warning: [null, 90], critical: [null, 97] }],
  ['Payload/ImagesTaken', '', (t) => Math.floor(t / 10_000) % 65_536, null, 'unsigned'],
  ['Obc/CpuLoad', '%', (t) => 31 + 8 * wave(t, 2) + 3 * noise(t, 20), upper(70, 85, 95)],
  ['Obc/Uptime', 's', (t) => Math.floor(t / 1000) % 10_000_000, null, 'unsigned'],
  ['Obc/BootCount', '', () => 17, null, 'unsigned'],
  ['Obc/SoftwareVersion', '', () => 'fsw-3.1.4', null, 'string'],
  ['Obc/LastCommand', '', () => 'a0170003', null, 'binary'],
  ['Obc/OnboardTime', '', (t) => t, null, 'time'],
  ...Array.from({ length: 20 }, (_, n) => [`Obc/Tasks/Task${n + 1}Load`, '%', (t) => 4 + 3 * wave(t, 2 + n, n)]),
].map(([name, unit, at, limits = null, kind = 'float', labels = null], id) => ({
  at, parameter: { id, name: `${SAT}/${name}`, description: `${name.split('/').at(-1)} of the made-up satellite`, unit, kind, labels, limits },
}));

const ORDER = ['watch', 'warning', 'distress', 'critical', 'severe'];
function judge(limits, value) {
  let verdict = 'nominal';
  for (const severity of ORDER) {
    const range = limits?.[severity];
    if (range && ((range[0] !== null && value < range[0]) || (range[1] !== null && value > range[1]))) verdict = severity;
  }
  return verdict;
}
const sample = ({ at, parameter }, t) => {
  const v = at(t);
  return { id: parameter.id, t, r: t + 40, v, raw: typeof v === 'number' ? Math.round(v * 100) : v, s: judge(parameter.limits, v) };
};

export function startFakeStation(port = 0) {
  const started = Date.now();
  const alarms = new Map();
  let session = { name: 'anonymous', role: 'observer' };
  let mustChange = true;
  const clients = new Set();
  const fail = (status, code, message, hint = '') => ({ status, body: { error: { code, message, hint } } });
  const links = () => {
    const n = Math.floor((Date.now() - started) / 100);
    return [
      { name: 'simulator', kind: 'tcp-client', address: '127.0.0.1:10015', content: 'frames', connected: true, bit_lock: true, frame_lock: true, connections: 1, error: null, octets: n * 1115, frames: n, packets: n * 6, octet_rate: 11_150, frame_rate: 10, packet_rate: 60, corrected_symbols: Math.floor(n / 3), uncorrectable: Math.floor(n / 700), gaps: Math.floor(n / 700), rejections: { uncorrectable: Math.floor(n / 700), 'vc-gap': Math.floor(n / 600) }, ocf: '01000034', clcw: { vcid: 0, no_rf_available: false, no_bit_lock: false, lockout: false, wait: false, retransmit: false, farm_b_counter: 2, report_value: 52 }, last_frame: Date.now() - 60, last_packet: Date.now() - 60 },
    ];
  };
  const rejections = () => ({ total: 17, by_reason: { uncorrectable: 5, 'vc-gap': 9, 'packet-cut': 3 }, recent: Array.from({ length: 17 }, (_, i) => ({ t: Date.now() - i * 47_000, link: 'simulator', vcid: i % 3 ? 0 : 1, reason: ['vc-gap', 'uncorrectable', 'vc-gap', 'packet-cut'][i % 4], detail: 'expected count 113, got 117', octets: '1acffc1d0aa40120ff5831c2a0b19f22e4d81140a7c25500bb1209ffe1a2b3c4' })) });
  const routes = {
    'GET /api/session': () => session,
    'GET /api/about': () => ({ name: 'perigee', version: '0.1.0', station: 'Made-up station', started, database: { name: 'PerigeeSat', version: '1.0', parameters: MODEL.length, containers: 8 } }),
    'GET /api/parameters': () => ({ parameters: MODEL.map(({ parameter }) => parameter) }),
    'GET /api/latest': (query) => {
      const ids = query.get('parameters')?.split(',').map(Number) ?? MODEL.map((_, id) => id);
      return { samples: ids.filter((id) => MODEL[id]).map((id) => sample(MODEL[id], Math.floor(Date.now() / 1000) * 1000)) };
    },
    'GET /api/history': (query) => {
      const model = MODEL[Number(query.get('parameter'))];
      if (!model) return fail(404, 'unknown-parameter', 'There is no such parameter.');
      const end = Math.min(Number(query.get('end')), Date.now());
      const start = Math.max(Number(query.get('start')), end - 86_400_000);
      const points = Number(query.get('points') ?? 100_000);
      const step = Math.max(1000, Math.ceil((end - start) / points / 1000) * 1000);
      const samples = [];
      for (let t = Math.ceil(start / step) * step; t <= end; t += step) {
        const { v, s } = sample(model, t);
        samples.push(step > 1000 && typeof v === 'number' ? { t, v, s, min: v - 0.02, max: v + 0.02 } : { t, v, s });
      }
      return { samples, sampled: step > 1000 };
    },
    'GET /api/alarms': () => ({ alarms: [...alarms.values()] }),
    'GET /api/links': () => ({ links: links() }),
    'GET /api/rejections': rejections,
    'GET /api/completeness': (query) => {
      const [start, end] = [Number(query.get('start')), Number(query.get('end'))];
      const half = start + (end - start) * 0.6;
      return { channels: [[0, null], [0, 100], [0, 101], [1, 200]].map(([vcid, apid]) => ({ link: 'simulator', vcid, apid, spans: [[start, half, 1200], [half + 40_000, end, 900]], gaps: [[half, half + 40_000, 37]] })) };
    },
    'POST /api/login': (_, { name, password }) => {
      if (name !== 'admin' || password === 'wrong') return fail(401, 'unauthorised', 'Name or password is wrong.');
      session = { name, role: 'admin' };
      return mustChange ? { ...session, must_change_password: true } : session;
    },
    'POST /api/password': () => { mustChange = false; return { status: 204 }; },
    'POST /api/logout': () => { session = { name: 'anonymous', role: 'observer' }; return { status: 204 }; },
    'POST /api/alarms/acknowledge': (_, { comment }, id) => {
      if (session.name === 'anonymous') return fail(401, 'unauthorised', 'This needs the role operator.', 'Log in first.');
      const alarm = alarms.get(id);
      if (!alarm) return fail(404, 'unknown-alarm', 'There is no such alarm.');
      alarm.acknowledged = { by: session.name, at: Date.now(), comment };
      broadcast('alarms', { op: 'alarm', alarm });
      return alarm;
    },
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://station');
    let body = '';
    for await (const chunk of request) body += chunk;
    if (url.pathname.startsWith('/api/')) {
      const [, id] = url.pathname.match(/^\/api\/alarms\/(\d+)\/acknowledge$/) ?? [];
      const route = routes[`${request.method} ${id ? '/api/alarms/acknowledge' : url.pathname}`];
      const answer = route ? route(url.searchParams, body ? JSON.parse(body) : {}, Number(id)) : fail(404, 'not-found', 'There is nothing here.');
      const status = typeof answer.status === 'number' ? answer.status : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(status === 204 ? '' : JSON.stringify(answer.body ?? answer));
      return;
    }
    const file = join(DIST, normalize(url.pathname === '/' ? '/index.html' : url.pathname));
    if (!file.startsWith(DIST) || !existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': POLICY });
    createReadStream(file).pipe(response);
  });
  const sockets = new WebSocketServer({ server, path: '/api/stream' });
  const send = (client, message) => client.socket.send(JSON.stringify(message));
  const broadcast = (topic, message) => clients.forEach((client) => client.topics.has(topic) && send(client, message));
  sockets.on('connection', (socket) => {
    const client = { socket, ids: new Set(), topics: new Set() };
    clients.add(client);
    socket.on('close', () => clients.delete(client));
    socket.on('message', (text) => {
      const { op, parameters = [], topics = [], n } = JSON.parse(text);
      if (op === 'ping') return send(client, { op: 'pong', n });
      const [ids, names] = [parameters === '*' ? MODEL.map((_, id) => id) : parameters, topics];
      for (const id of ids) op === 'subscribe' ? client.ids.add(id) : client.ids.delete(id);
      for (const name of names) op === 'subscribe' ? client.topics.add(name) : client.topics.delete(name);
      if (op === 'subscribe' && ids.length) send(client, { op: 'values', samples: ids.map((id) => sample(MODEL[id], Math.floor(Date.now() / 1000) * 1000)) });
    });
  });
  const timer = setInterval(() => {
    const t = Math.floor(Date.now() / 1000) * 1000;
    const now = MODEL.map((model) => sample(model, t));
    for (const { id, v, s } of now) {
      const old = alarms.get(id);
      const { parameter: { name, limits } } = MODEL[id];
      if (s === 'nominal' ? old?.state !== 'active' : old?.state === 'active' && old.severity === s) continue;
      const cleared = s === 'nominal';
      const side = limits[cleared ? old.severity : s];
      alarms.set(id, cleared ? { ...old, state: 'cleared' } : { id, name, severity: s, value: v, limit: side[1] !== null && v > side[1] ? `above ${side[1]}` : `below ${side[0]}`, triggered: t, count: 1, state: 'active', acknowledged: null });
      broadcast('alarms', { op: 'alarm', alarm: alarms.get(id) });
      if (cleared && old.acknowledged) alarms.delete(id);
    }
    for (const client of clients) {
      const samples = now.filter(({ id }) => client.ids.has(id));
      if (samples.length) send(client, { op: 'values', samples });
    }
    broadcast('links', { op: 'links', links: links() });
  }, 1000);
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      const stop = () => { clearInterval(timer); sockets.clients.forEach((socket) => socket.terminate()); server.close(); };
      resolve({ url: `http://127.0.0.1:${server.address().port}`, stop });
    });
  });
}

if (process.argv[1] === import.meta.filename) {
  const { url } = await startFakeStation(Number(process.argv[2] ?? 8090));
  console.log(url);
}
