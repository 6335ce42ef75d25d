//! The flight software's telemetry: one packet of each kind by APID, and events as text.
//!
//! The layouts are its own; the mission database (`perigeesat.xml`) describes them to the ground, and a test
//! compares what the ground reads with what was meant.

mod attitude;
mod layout;
mod obc;
mod orbit;
mod payload;
mod power;
mod radio;
mod thermal;
pub mod truth;

use perigee_ccsds::packet::{PacketType, SequenceFlags, SpaceHeader};
use perigee_ccsds::time::{CucFormat, Epoch, Time, TimeCode, Utc};

use self::layout::{BitWriter, Packet};
use crate::model::Satellite;
use crate::model::obc::Event;

/// 1980-01-06T00:00:00 UTC, when TAI was 19 s ahead.
const GPS_EPOCH: Time = Time::from_tai(694_656_019, 0);

/// Octets of the time code.
const TIME_LENGTH: usize = 7;

/// The secondary header: CUC with four octets of seconds and three of fractions.
const TIME_CODE: TimeCode = TimeCode::Cuc(CucFormat { epoch: Epoch::Agency(GPS_EPOCH), coarse: 4, fine: 3 });

/// Where the data of a packet begins.
const DATA: usize = SpaceHeader::LENGTH + TIME_LENGTH;

const EVENT_APID: u16 = 2;

/// The periodic packets, in the order of their sending.
const PACKETS: [&Packet; 10] = [
    &attitude::ATTITUDE_PACKET,
    &power::POWER_PACKET,
    &attitude::WHEEL_PACKET,
    &orbit::ORBIT_PACKET,
    &thermal::THERMAL_PACKET,
    &attitude::SENSOR_PACKET,
    &payload::PAYLOAD_PACKET,
    &radio::RADIO_PACKET,
    &obc::OBC_PACKET,
    &payload::SPECTRUM_PACKET,
];

/// How many kinds of periodic packets there are.
pub const KINDS: usize = PACKETS.len();

/// Housekeeping goes on this virtual channel.
const HOUSEKEEPING: u8 = 0;
/// The instrument's data on this one.
const SCIENCE: u8 = 1;

/// When a packet was made, as it stands in its secondary header.
#[derive(Clone, Copy, Debug)]
pub struct OnBoardTime([u8; TIME_LENGTH]);

impl OnBoardTime {
    /// The time code of nanoseconds of the Unix epoch; all zeros before the GPS epoch and after 2116.
    pub fn new(unix_nanoseconds: i64) -> Self {
        let mut octets = Vec::with_capacity(TIME_LENGTH);
        let encoded = TIME_CODE.encode(Utc::from_unix_nanoseconds(unix_nanoseconds), &mut octets);
        Self(encoded.ok().and_then(|()| octets.try_into().ok()).unwrap_or_default())
    }
}

/// The packets as they were filled last, and their sequence counts.
#[derive(Clone, Debug)]
pub struct Flight {
    packets: [Vec<u8>; KINDS],
    counts: [u16; KINDS],
    event: Vec<u8>,
    event_count: u16,
}

impl Flight {
    /// The packets as they stand at the start.
    pub fn new(satellite: &Satellite) -> Self {
        let mut flight = Self {
            packets: std::array::from_fn(|_| Vec::new()),
            counts: [0; KINDS],
            event: Vec::new(),
            event_count: 0,
        };
        (0..KINDS).for_each(|kind| flight.fill(kind, satellite));
        flight
    }

    /// The virtual channel of a kind of packet.
    pub fn channel(kind: usize) -> u8 {
        if PACKETS[kind].apid == payload::SPECTRUM_PACKET.apid { SCIENCE } else { HOUSEKEEPING }
    }

    /// Writes the satellite's values into a packet.
    pub fn fill(&mut self, kind: usize, satellite: &Satellite) {
        let octets = &mut self.packets[kind];
        octets.clear();
        octets.resize(DATA, 0);
        let mut out = BitWriter::new(octets);
        PACKETS[kind].fields.iter().for_each(|field| field.write(satellite, &mut out));
        head(octets, PACKETS[kind].apid);
    }

    /// The packet with the next sequence count and this time.
    pub fn stamp(&mut self, kind: usize, time: OnBoardTime) -> &[u8] {
        stamp(&mut self.packets[kind], &mut self.counts[kind], time)
    }

    /// An event's packet.
    pub fn event(&mut self, event: Event, time: OnBoardTime) -> &[u8] {
        let text = event.text().as_bytes();
        let octets = &mut self.event;
        octets.clear();
        octets.resize(DATA, 0);
        octets.extend(event.id().to_be_bytes());
        octets.push(event.severity() as u8);
        octets.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        octets.extend(&text[..text.len().min(usize::from(u8::MAX))]);
        head(octets, EVENT_APID);
        stamp(octets, &mut self.event_count, time)
    }
}

/// Writes the primary header.
fn head(octets: &mut [u8], apid: u16) {
    let header = SpaceHeader {
        packet_type: PacketType::Telemetry,
        secondary_header: true,
        apid,
        sequence_flags: SequenceFlags::Unsegmented,
        sequence_count: 0,
        data_length: octets.len() - SpaceHeader::LENGTH,
    };
    // Every field is in range: the tables are constant and no packet comes near 65,536 octets.
    octets[..SpaceHeader::LENGTH].copy_from_slice(&header.to_octets().unwrap_or_default());
}

fn stamp<'a>(octets: &'a mut [u8], count: &mut u16, time: OnBoardTime) -> &'a [u8] {
    let field = (SequenceFlags::Unsegmented as u16) << 14 | *count;
    octets[2..4].copy_from_slice(&field.to_be_bytes());
    octets[SpaceHeader::LENGTH..DATA].copy_from_slice(&time.0);
    *count = (*count + 1) & 0x3FFF;
    octets
}
