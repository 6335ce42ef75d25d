//! Where the values come from: the real telemetry processor with a small mission database, fed with packets
//! as a link would feed it.

use perigee_part::{Downlink, PacketReport, Part, Rejection, Services, Timestamp};
use perigee_telemetry::{Config, Handle};

const DATABASE: &str = include_str!("sat.xml");

/// The doorway of a link.
pub(crate) struct Source {
    downlink: Box<dyn Downlink>,
    sequence: u16,
}

impl Source {
    pub(crate) fn new(config: Config, services: &Services) -> (Self, Box<dyn Part>, Handle) {
        let (part, telemetry) =
            perigee_telemetry::build(config, DATABASE, &services.scoped("telemetry")).unwrap();
        (Self { downlink: telemetry.downlink("test"), sequence: 0 }, part, telemetry)
    }

    /// How many parameters one packet carries: all that there are.
    pub(crate) fn parameters(&self) -> usize {
        5
    }

    /// Receives so many packets in one read.
    pub(crate) fn packets(&mut self, packets: &[Packet]) {
        for packet in packets {
            let octets = packet.encode(self.sequence);
            self.sequence = (self.sequence + 1) % (1 << 14);
            self.downlink.packet(PacketReport {
                received: Timestamp::now(),
                scid: Some(21),
                vcid: Some(3),
                octets: &octets,
            });
        }
        self.downlink.flush();
    }

    /// Something that a link had to drop.
    pub(crate) fn reject(&mut self, octets: &[u8]) {
        let rejection = Rejection {
            received: Timestamp::now(),
            vcid: Some(3),
            reason: "vc-gap",
            length: octets.len() as u64,
            octets,
        };
        self.downlink.rejected(rejection);
    }
}

/// What is in one packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) counter: u16,
    pub(crate) voltage: f32,
    pub(crate) mode: u8,
    pub(crate) wide: u64,
    pub(crate) key: [u8; 4],
}

impl Packet {
    /// Within all limits.
    pub(crate) fn new(counter: u16) -> Self {
        Self { counter, voltage: 3.5, mode: 1, wide: 7, key: [0xde, 0xad, 0xbe, 0xef] }
    }

    /// The space packet (CCSDS 133.0-B-2, 4.1), APID 1, without a secondary header.
    fn encode(&self, sequence: u16) -> Vec<u8> {
        let mut data = Vec::new();
        data.extend(self.counter.to_be_bytes());
        data.extend(self.voltage.to_be_bytes());
        data.push(self.mode);
        data.extend(self.wide.to_be_bytes());
        data.extend(self.key);
        let length = data.len() as u16 - 1;
        let header = [1_u16, 0xc000 | sequence, length].map(u16::to_be_bytes).concat();
        [header, data].concat()
    }
}
