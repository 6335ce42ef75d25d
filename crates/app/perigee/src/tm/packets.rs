//! `perigee tm packets`: the packets in a recording.

use std::process::ExitCode;

use clap::Args;
use perigee_ccsds::link::PacketTime;
use perigee_ccsds::packet::{SpaceHeader, is_idle};
use perigee_ccsds::receive::{ReceivedPacket, Sink};
use sha1::{Digest, Sha1};

use super::link::{Recording, read_link};
use super::output::{Cell, Format, Table, hex};

const COLUMNS: &[&str] = &["vcid", "index", "apid", "type", "shf", "seqflags", "seq", "len", "time", "sha1"];

#[derive(Args)]
pub(crate) struct Arguments {
    /// How to write the packets
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Leave out idle packets; they still count in the index
    #[arg(long)]
    pub(crate) no_idle: bool,
    #[command(flatten)]
    pub(crate) recording: Recording,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let link = read_link(&arguments.recording.link)?;
    let mut rows = Rows {
        table: Table::new(arguments.format, COLUMNS),
        no_idle: arguments.no_idle,
        time: link.packet.time,
    };
    let run = arguments.recording.receive(&link, &mut rows, |rows| rows.table.is_closed())?;
    rows.table.finish()?;
    let units = run.receiver.counters().service_data_units;
    if units > 0 {
        eprintln!(
            "perigee: {units} data units of other services (VCA, B_PDU, MAPA) are no packets and are not listed; \
             `tm frames --format raw` has the frames that carry them"
        );
    }
    arguments.recording.status(&link, &run)
}

struct Rows {
    table: Table,
    no_idle: bool,
    time: Option<PacketTime>,
}

impl Sink for Rows {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        if self.no_idle && is_idle(packet.octets) {
            return;
        }
        if self.table.format == Format::Raw {
            return self.table.raw(packet.octets);
        }
        // Encapsulation packets have none of these fields.
        let header = SpaceHeader::parse(packet.octets).ok();
        let time = self.time.and_then(|time| time.of(packet.octets)).map(|utc| utc.to_string());
        let sha1 = hex(&Sha1::digest(packet.octets));
        self.table.row(&[
            Cell::Number(packet.vcid.into()),
            Cell::Number(packet.index.cast_signed()),
            header.map(|header| header.apid).into(),
            header.map(|header| header.packet_type as u8).into(),
            header.map(|header| header.secondary_header).into(),
            header.map(|header| header.sequence_flags as u8).into(),
            header.map(|header| header.sequence_count).into(),
            Cell::Number(packet.octets.len() as i64),
            time.as_deref().map_or(Cell::Empty, Cell::Text),
            Cell::Text(&sha1),
        ]);
    }
}
