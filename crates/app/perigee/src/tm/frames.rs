//! `perigee tm frames`: the transfer frames in a recording.

use std::process::ExitCode;

use clap::Args;
use perigee_ccsds::receive::{Fec, ReceivedFrame, Sink};
use sha1::{Digest, Sha1};

use super::link::{Recording, read_link};
use super::output::{Cell, Format, Table, hex};

const COLUMNS: &[&str] = &[
    "index",
    "offset",
    "tfvn",
    "scid",
    "vcid",
    "mcfc",
    "vcfc",
    "fhp",
    "ocf",
    "corrected",
    "fecf",
    "status",
    "sha1",
];

#[derive(Args)]
pub(crate) struct Arguments {
    /// csv and jsonl list all frames, raw writes the good ones
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) recording: Recording,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let link = read_link(&arguments.recording.link)?;
    let mut rows = Rows(Table::new(arguments.format, COLUMNS));
    let run = arguments.recording.receive(&link, &mut rows, |rows| rows.0.is_closed())?;
    rows.0.finish()?;
    arguments.recording.status(&link, &run)
}

struct Rows(Table);

impl Sink for Rows {
    fn frame(&mut self, frame: &ReceivedFrame<'_>) {
        if self.0.format == Format::Raw {
            if frame.status.is_ok() {
                self.0.raw(frame.octets);
            }
            return;
        }
        let ocf = frame.ocf.map(|ocf| hex(&ocf));
        let sha1 = hex(&Sha1::digest(frame.octets));
        self.0.row(&[
            Cell::Number(frame.index.cast_signed()),
            Cell::Number(frame.offset.cast_signed()),
            frame.tfvn.into(),
            frame.scid.into(),
            frame.vcid.into(),
            frame.mcfc.into(),
            frame.vcfc.map(u64::cast_signed).into(),
            frame.first_header_pointer.into(),
            ocf.as_deref().map_or(Cell::Empty, Cell::Text),
            match frame.fec {
                Fec::None => Cell::Empty,
                Fec::Corrected(symbols) => Cell::Number(symbols.into()),
                Fec::Uncorrectable => Cell::Number(-1),
            },
            match frame.fecf {
                None => Cell::Empty,
                Some(true) => Cell::Text("ok"),
                Some(false) => Cell::Text("bad"),
            },
            Cell::Text(frame.status.err().map_or("ok", |reason| reason.as_str())),
            Cell::Text(&sha1),
        ]);
    }
}
