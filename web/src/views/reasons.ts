// The station's reasons for dropping a frame or packet, in words for people. One that is not known here is shown as
// the station spells it.

interface Words {
  title: string;
  meaning: string;
}

const REASONS: Record<string, Words> = {
  uncorrectable: { title: 'Uncorrectable', meaning: 'More symbols were wrong than the Reed-Solomon code can correct.' },
};

export function reasonWords(reason: string): Words {
  const known = REASONS[reason];
  if (known) return known;
  const spaced = reason.replaceAll(/[-_]/g, ' ');
  return { title: spaced.charAt(0).toUpperCase() + spaced.slice(1), meaning: '' };
}
