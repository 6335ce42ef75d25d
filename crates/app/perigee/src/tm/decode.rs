//! `perigee tm decode`: packets to engineering values.

mod columns;
mod packets;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use perigee_ccsds::link::PacketTime;
use perigee_ccsds::receive::{ReceivedPacket, Sink};
use perigee_xtce::{ContainerId, Database, DecodeError, Decoder, LoadOptions, Plan, Values};

use self::columns::ParquetDirectory;
use self::rows::Rows;
use super::link::{REJECTED, Recording, read_link};

/// Turn packets into engineering values
///
/// Each packet is read as the container of the mission database whose conditions it meets. Packets that no
/// container fits, or that are shorter than theirs, are counted by reason on standard error; the others are
/// still decoded. Idle packets are passed over.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Mission database, XTCE 1.2
    #[arg(long, value_name = "DB.xml")]
    pub(crate) xtce: PathBuf,
    /// Link file: the managed parameters of the channel; left out: the file holds bare packets
    #[arg(long, value_name = "LINK.toml", conflicts_with = "skip_header")]
    pub(crate) link: Option<PathBuf>,
    /// How to write the values
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Pass over so many octets before each bare packet
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<usize>::new().range(..=65_536))]
    pub(crate) skip_header: usize,
    /// The container that every packet is one of; left out: the database has only one such
    #[arg(long, value_name = "CONTAINER")]
    pub(crate) root: Option<String>,
    /// Load what can be loaded of a database with parts that are not supported, and name what was left out
    #[arg(long)]
    pub(crate) lenient: bool,
    /// End with status 3 when anything was rejected
    #[arg(long)]
    pub(crate) strict: bool,
    /// Where to write; for parquet a directory, which gets a file for each container. Left out: standard output
    #[arg(short, long, value_name = "PATH", required_if_eq("format", "parquet"))]
    pub(crate) output: Option<PathBuf>,
    /// The recording, or - for standard input
    pub(crate) file: PathBuf,
}

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object to a packet, with the values by name
    #[default]
    Jsonl,
    /// One line to a value: packet, time, container, parameter, raw, eng
    Csv,
    /// Apache Parquet: a file for each container, a column for each value of each parameter
    Parquet,
}

/// A decoded packet on its way out.
struct Decoded<'a> {
    /// Counted from zero, packets that were not decoded included.
    index: u64,
    container: ContainerId,
    /// Nanoseconds of the Unix epoch.
    time: Option<i64>,
    values: &'a Values,
}

/// Takes decoded packets.
trait Output {
    /// Writes one packet; `false` when nobody reads any more.
    fn packet(&mut self, packet: &Decoded<'_>) -> anyhow::Result<bool>;

    /// Writes what is left.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let database = load(arguments)?;
    let plan = Plan::compile(&database, arguments.root.as_deref())
        .with_context(|| format!("mission database {}", arguments.xtce.display()))?;
    let output: Box<dyn Output + '_> = match (arguments.format, &arguments.output) {
        (Format::Parquet, Some(directory)) => Box::new(ParquetDirectory::create(directory, &database)?),
        (Format::Parquet, None) => anyhow::bail!("--format parquet needs --output DIRECTORY"),
        (format, path) => Box::new(Rows::create(path.as_deref(), format, &database)?),
    };
    let mut work = Work {
        decoder: Decoder::new(Arc::new(plan)),
        values: Values::default(),
        time: None,
        output,
        counts: Counts::default(),
        outcome: Ok(true),
    };
    let status = match &arguments.link {
        Some(link) => {
            let recording =
                Recording { link: link.clone(), strict: arguments.strict, file: arguments.file.clone() };
            let link = read_link(link)?;
            work.time = link.packet.time;
            let run = recording.receive(&link, &mut work, |work| work.is_over())?;
            recording.status(&link, &run)?
        }
        None => packets::read(arguments, &mut work)?,
    };
    work.outcome?;
    work.output.finish()?;
    work.counts.tell(arguments, status)
}

fn load(arguments: &Arguments) -> anyhow::Result<Database> {
    let name = arguments.xtce.display();
    let xml = std::fs::read_to_string(&arguments.xtce)
        .with_context(|| format!("cannot read mission database {name}"))?;
    let loaded = Database::load(&xml, LoadOptions { lenient: arguments.lenient })
        .with_context(|| format!("mission database {name}"))?;
    for notice in &loaded.notices {
        eprintln!("perigee: {name}: {notice}");
    }
    Ok(loaded.database)
}

/// Decodes one packet after the other.
struct Work<'d> {
    decoder: Decoder,
    values: Values,
    /// Where the link file says that packets carry their time.
    time: Option<PacketTime>,
    output: Box<dyn Output + 'd>,
    counts: Counts,
    /// Whether to go on, or why not.
    outcome: anyhow::Result<bool>,
}

impl Work<'_> {
    fn is_over(&self) -> bool {
        !matches!(self.outcome, Ok(true))
    }

    fn decode(&mut self, packet: &[u8]) {
        if self.is_over() || perigee_ccsds::packet::is_idle(packet) {
            return;
        }
        self.values.clear();
        let index = self.counts.packets;
        self.counts.packets += 1;
        match self.decoder.decode(packet, &mut self.values) {
            Ok(container) => {
                let header_time = || self.time?.of(packet)?.unix_nanoseconds();
                let time = self.values.first_time(0).or_else(header_time);
                self.outcome = self.output.packet(&Decoded { index, container, time, values: &self.values });
            }
            Err(error) => self.counts.reject(&error),
        }
    }
}

impl Sink for Work<'_> {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        self.decode(packet.octets);
    }
}

/// What was seen, and why some of it was not decoded.
#[derive(Default)]
struct Counts {
    packets: u64,
    no_container: u64,
    too_short: u64,
    bad_size: u64,
    too_large: u64,
}

impl Counts {
    fn reject(&mut self, error: &DecodeError) {
        match error {
            DecodeError::NoContainer { .. } => self.no_container += 1,
            DecodeError::TooShort { .. } => self.too_short += 1,
            DecodeError::BadSize { .. } => self.bad_size += 1,
            DecodeError::TooLarge => self.too_large += 1,
        }
    }

    /// The exit status, and on standard error what was not decoded.
    fn tell(&self, arguments: &Arguments, status: ExitCode) -> anyhow::Result<ExitCode> {
        let name = arguments.file.display();
        let reasons = [
            (self.no_container, "of no container"),
            (self.too_short, "shorter than their container"),
            (self.bad_size, "with a size that makes no sense"),
            (self.too_large, "too large"),
        ];
        let rejected: u64 = reasons.iter().map(|(count, _)| count).sum();
        if rejected == 0 {
            return Ok(status);
        }
        let reasons: Vec<_> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} {why}"))
            .collect();
        let reasons = reasons.join(", ");
        anyhow::ensure!(
            rejected < self.packets,
            "{name}: none of {} packets was decoded: {reasons}\nhint: is it the right database, and the right --root? frames need --link",
            self.packets
        );
        eprintln!("perigee: not decoded in {name}, of {} packets: {reasons}", self.packets);
        Ok(if arguments.strict { ExitCode::from(REJECTED) } else { status })
    }
}
