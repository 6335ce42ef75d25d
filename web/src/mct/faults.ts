// Open MCT's fault management on the station's alarms: list, live values, acknowledgement. The station does not
// shelve alarms, so shelving is not offered.
import type { MenuItem, OpenMCT } from 'openmct';
import type { Alarm, Sample, Severity } from '../api/types.ts';
import { parentOf, shortName } from '../dictionary.ts';
import { formatTime, formatValue } from '../format.ts';
import type { Station } from '../station.ts';

/** Open MCT knows three levels; the exact one stands in the description. */
const LEVELS: Record<Severity, string> = {
  nominal: 'WATCH',
  watch: 'WATCH',
  warning: 'WARNING',
  distress: 'WARNING',
  critical: 'CRITICAL',
  severe: 'CRITICAL',
};
const FAULTS = 'faultManagement';
const LIST_CHANGED = 'global-alarm-status';
const FAULT_CHANGED = 'alarms';

interface Fault {
  id: string;
  [key: string]: unknown;
}

export function installFaults(openmct: OpenMCT, station: Station, acknowledge: (id: number, comment: string) => Promise<void>): void {
  openmct.install(openmct.plugins['FaultManagement']!());
  const { dictionary, stream } = station;
  const latest = new Map<number, Sample>();

  const faultOf = (alarm: Alarm): Fault => {
    const parameter = dictionary.parameter(alarm.id);
    const sample = latest.get(alarm.id);
    const show = (value: Alarm['value']) => `${formatValue(value, parameter)} ${parameter?.unit ?? ''}`.trim();
    const result = (severity: Severity) => (severity === 'nominal' ? 'IN_LIMITS' : LEVELS[severity]);
    return {
      id: String(alarm.id),
      name: shortName(alarm.name),
      namespace: parentOf(alarm.name),
      severity: LEVELS[alarm.severity],
      shortDescription: `${alarm.severity}: ${alarm.limit}`,
      seqNum: alarm.count,
      triggerTime: formatTime(alarm.triggered),
      triggerValueInfo: { value: show(alarm.value), rangeCondition: alarm.limit, monitoringResult: LEVELS[alarm.severity] },
      currentValueInfo: {
        value: sample ? show(sample.v) : '—',
        rangeCondition: alarm.state,
        monitoringResult: sample ? result(sample.s) : alarm.state === 'cleared' ? 'IN_LIMITS' : LEVELS[alarm.severity],
      },
      acknowledged: alarm.acknowledged !== null,
      shelved: false,
    };
  };

  openmct.faults.addProvider({
    supportsRequest: ({ type }: { type: string }) => type === FAULTS,
    supportsSubscribe: ({ type }: { type: string }) => type === FAULTS,
    request: async () => station.alarms.value.map((alarm) => ({ type: FAULT_CHANGED, fault: faultOf(alarm) })),
    subscribe: (_: unknown, callback: (change: { type: string; fault?: Fault }) => void) => {
      const values = new Map<number, () => void>();
      const follow = ({ id }: Alarm) =>
        stream.watch(id, (samples) => {
          const sample = samples.at(-1);
          const alarm = station.alarms.value.find((other) => other.id === id);
          if (!sample || !alarm) return;
          latest.set(id, sample);
          callback({ type: FAULT_CHANGED, fault: faultOf(alarm) });
        });
      const stopAlarms = station.alarms.watch((alarms) => {
        for (const alarm of alarms) if (!values.has(alarm.id)) values.set(alarm.id, follow(alarm));
        callback({ type: LIST_CHANGED });
      });
      return () => {
        stopAlarms();
        values.forEach((stop) => stop());
      };
    },
    acknowledgeFault: (fault: Fault, { comment = '' }: { comment?: string } = {}) => acknowledge(Number(fault.id), comment),
  });

  withoutShelving(openmct);
}

/** Open MCT offers actions only where both exist, and then always both; style.css hides the toolbar's button. */
function withoutShelving(openmct: OpenMCT): void {
  openmct.faults.supportsActions = () => true;
  const { menus } = openmct;
  const showMenu = menus.showMenu.bind(menus);
  menus.showMenu = (x, y, items, options) => {
    const offered = items.filter(({ name }: MenuItem) => name !== 'Shelve' && name !== 'Unshelve');
    showMenu(x, y, offered, options);
  };
}
