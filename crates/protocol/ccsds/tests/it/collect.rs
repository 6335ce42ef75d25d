//! A sink that keeps everything, in the form in which expected values are written.

use perigee_ccsds::Reason;
use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::receive::{
    Counters, ReceivedFrame, ReceivedPacket, Receiver, Rejected, ServiceData, Sink,
};
use sha1::{Digest, Sha1};

/// A frame, its octets replaced by their hash.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) shown: ReceivedFrame<'static>,
    pub(crate) sha1: String,
    pub(crate) octets: Vec<u8>,
}

/// All that a receiver showed.
#[derive(Default)]
pub(crate) struct Collect {
    pub(crate) frames: Vec<Frame>,
    pub(crate) packets: Vec<(u8, u64, Vec<u8>)>,
    pub(crate) units: Vec<(u8, usize, Vec<u8>)>,
    pub(crate) rejected: Vec<Reason>,
    pub(crate) rejected_octets: Vec<usize>,
    pub(crate) rejected_channels: Vec<Option<u8>>,
}

impl Sink for Collect {
    fn frame(&mut self, frame: &ReceivedFrame<'_>) {
        let sha1 = sha1(frame.octets);
        self.frames.push(Frame {
            shown: ReceivedFrame { octets: &[], ..*frame },
            sha1,
            octets: frame.octets.to_vec(),
        });
    }

    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        self.packets.push((packet.vcid, packet.index, packet.octets.to_vec()));
    }

    fn service_data(&mut self, unit: &ServiceData<'_>) {
        self.units.push((unit.vcid, unit.bits, unit.octets.to_vec()));
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) {
        self.rejected.push(rejected.reason);
        self.rejected_octets.push(rejected.octets.len());
        self.rejected_channels.push(rejected.channel.map(|channel| channel.vcid));
    }
}

impl Collect {
    /// How often something was rejected for this reason.
    pub(crate) fn count(&self, reason: Reason) -> usize {
        self.rejected.iter().filter(|r| **r == reason).count()
    }

    /// Lengths of the packets of a channel.
    pub(crate) fn lengths(&self, vcid: u8) -> Vec<usize> {
        self.packets.iter().filter(|(v, ..)| *v == vcid).map(|(.., octets)| octets.len()).collect()
    }
}

pub(crate) fn sha1(octets: &[u8]) -> String {
    Sha1::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Runs the input through a receiver, cut into pieces of this size.
pub(crate) fn receive(link: &LinkParameters, input: &[u8], piece: usize) -> (Collect, Counters) {
    let mut receiver = Receiver::new(link).expect("link");
    let mut seen = Collect::default();
    for piece in input.chunks(piece) {
        receiver.receive(piece, &mut seen);
    }
    receiver.finish(&mut seen);
    (seen, receiver.counters().clone())
}

/// Hands over one unit after the other.
pub(crate) fn receive_units(link: &LinkParameters, units: &[Vec<u8>]) -> (Collect, Counters) {
    let mut receiver = Receiver::new(link).expect("link");
    let mut seen = Collect::default();
    for unit in units {
        receiver.receive_unit(unit, &mut seen);
    }
    receiver.finish(&mut seen);
    (seen, receiver.counters().clone())
}

/// The project's link file of that name.
pub(crate) fn link(name: &str) -> LinkParameters {
    let path = perigee_testkit::shared::workspace_root().join("links").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    LinkParameters::from_toml(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}
