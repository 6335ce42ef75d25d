// The five severities of XTCE and how the page shows them.
import type { Severity } from './api/types.ts';

export const SEVERITIES: readonly Severity[] = ['nominal', 'watch', 'warning', 'distress', 'critical', 'severe'];

export const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);

export const worst = (severities: Iterable<Severity>): Severity => {
  let top: Severity = 'nominal';
  for (const severity of severities) if (rank(severity) > rank(top)) top = severity;
  return top;
};

/** Also the custom properties of style.css; drawn on canvas, where those cannot reach. */
export const COLORS: Record<Severity, string> = {
  nominal: '#5fb98a',
  watch: '#5aa9e6',
  warning: '#e3b341',
  distress: '#f0883e',
  critical: '#f0524f',
  severe: '#d64fb0',
};
