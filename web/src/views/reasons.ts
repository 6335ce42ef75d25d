// The station's reasons for dropping a frame or packet, in words for people. One that is not known here is shown as
// the station spells it.

interface Words {
  title: string;
  meaning: string;
}

const REASONS: Record<string, Words> = {
  'not-synchronised': { title: 'Not synchronised', meaning: 'No attached sync marker was found in these octets or symbols.' },
  truncated: { title: 'Truncated', meaning: 'The input ended inside a frame.' },
  'wrong-unit-length': { title: 'Wrong unit length', meaning: 'What was handed over is not one frame long.' },
  uncorrectable: { title: 'Uncorrectable', meaning: 'A Reed-Solomon codeword has more wrong symbols than the code can correct.' },
  'bad-fecf': { title: 'Frame error control', meaning: 'The frame error control field does not agree with the frame.' },
  'bad-fhec': { title: 'Header error control', meaning: 'The AOS frame header is damaged beyond repair.' },
  'wrong-version': { title: 'Wrong version', meaning: 'The transfer frame version number is not that of the link.' },
  'wrong-scid': { title: 'Wrong spacecraft', meaning: 'The spacecraft identifier is not that of the link.' },
  'wrong-length': { title: 'Wrong length', meaning: 'The length in the USLP header is not that of the frame.' },
  'bad-header': { title: 'Bad header', meaning: 'The header describes parts that do not fit into the frame.' },
  duplicate: { title: 'Duplicate', meaning: 'The frame before on this virtual channel once more: the same count and octets.' },
  'too-many-channels': { title: 'Too many channels', meaning: 'A packet was open on the channel heard longest ago when more came than a receiver keeps: most likely noise.' },
  'bad-pointer': { title: 'Bad pointer', meaning: 'The first header pointer points beyond its zone.' },
  'segmented-data': { title: 'Segmented data', meaning: 'The packets are cut into TM segments, which the standard no longer knows.' },
  'no-start': { title: 'Start missing', meaning: 'The rest of a packet whose beginning was not received.' },
  'vc-gap': { title: 'Gap in the channel', meaning: 'Frames of the virtual channel went missing while this packet was open.' },
  'pointer-mismatch': { title: 'Pointer mismatch', meaning: 'The packet length and the first header pointer contradict each other.' },
  'bad-packet-version': { title: 'Bad packet version', meaning: 'What should be a packet has a version number that no packet has.' },
  'bad-packet-length': { title: 'Bad packet length', meaning: 'The encapsulation packet is shorter than its own header.' },
  'packet-too-long': { title: 'Packet too long', meaning: 'The packet is longer than the link allows.' },
  'broken-segments': { title: 'Broken segments', meaning: 'A service data unit began anew before it ended.' },
  'socket-overflow': { title: 'Socket overflow', meaning: 'The kernel dropped datagrams because the buffer of the socket was full.' },
  unfinished: { title: 'Unfinished', meaning: 'The input ended inside a packet.' },
  'no-container': { title: 'No container', meaning: 'No container of the mission database matches the packet.' },
  'packet-too-short': { title: 'Packet too short', meaning: 'The packet ends before an entry of its container does.' },
  'bad-size': { title: 'Bad size', meaning: 'A size, count or place that another parameter decides is negative, or that parameter has no value.' },
  'packet-too-large': { title: 'Packet too large', meaning: 'The packet asks for more values than one packet may have.' },
};

export function reasonWords(reason: string): Words {
  const known = REASONS[reason];
  if (known) return known;
  const spaced = reason.replaceAll(/[-_]/g, ' ');
  return { title: spaced.charAt(0).toUpperCase() + spaced.slice(1), meaning: '' };
}
