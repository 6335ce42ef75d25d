//! `perigee tm stats`: what is in a recording, counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use perigee_ccsds::packet::SpaceHeader;
use perigee_ccsds::receive::{ChannelId, ReceivedPacket, Receiver, Sink};
use serde_json::{Value, json};

use super::link::{Recording, read_link};

#[derive(Args)]
pub(crate) struct Arguments {
    /// How to write the counts
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) recording: Recording,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// Tables to read
    #[default]
    Text,
    /// One JSON object
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let link = read_link(&arguments.recording.link)?;
    let mut applications = Applications::default();
    let run = arguments.recording.receive(&link, &mut applications, |_| false)?;
    let text = match arguments.format {
        Format::Text => text(&run.receiver, &applications),
        Format::Json => format!("{}\n", object(&run.receiver, &applications)),
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has gone is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(error).context("cannot write the counts");
        }
        _ => {}
    }
    arguments.recording.status(&link, &run)
}

/// Packets by channel and APID; encapsulation packets have none.
#[derive(Default)]
struct Applications(BTreeMap<(ChannelId, Option<u16>), Application>);

#[derive(Clone, Copy, Default)]
struct Application {
    packets: u64,
    octets: u64,
    /// Breaks in the sequence count, and packets missing in them modulo 16384.
    gaps: u64,
    missing: u64,
    last: Option<u16>,
}

impl Sink for Applications {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let header = SpaceHeader::parse(packet.octets).ok();
        let channel = ChannelId { scid: packet.scid, vcid: packet.vcid };
        let application = self.0.entry((channel, header.map(|header| header.apid))).or_default();
        application.packets += 1;
        application.octets += packet.octets.len() as u64;
        let Some(header) = header else { return };
        let count = header.sequence_count;
        let missing = application.last.map_or(0, |last| count.wrapping_sub(last).wrapping_sub(1) & 0x3FFF);
        // The count of idle packets need not run (133.0-B-2 §4.1.3.4.3.4).
        if missing > 0 && header.apid != SpaceHeader::IDLE_APID {
            application.gaps += 1;
            application.missing += u64::from(missing);
        }
        application.last = Some(count);
    }
}

/// The counters of the link, by name.
fn totals(receiver: &Receiver) -> [(&'static str, u64); 13] {
    let counters = receiver.counters();
    [
        ("octets", counters.octets),
        ("frames", counters.frames),
        ("good_frames", counters.good_frames),
        ("idle_frames", counters.idle_frames),
        ("corrected_frames", counters.corrected_frames),
        ("corrected_symbols", counters.corrected_symbols),
        ("mc_gaps", counters.mc_gaps),
        ("mc_missing", counters.mc_missing),
        ("vc_gaps", counters.vc_gaps),
        ("vc_missing", counters.vc_missing),
        ("packets", counters.packets),
        ("idle_packets", counters.idle_packets),
        ("service_data_units", counters.service_data_units),
    ]
}

fn text(receiver: &Receiver, applications: &Applications) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(out, "{text}");
    };
    for (name, count) in totals(receiver) {
        line(format_args!("{name:<20} {count:>12}"));
    }
    line(format_args!(
        "\n{:>5} {:>4} {:>10} {:>10} {:>10} {:>8} {:>10}",
        "scid", "vcid", "frames", "idle", "packets", "gaps", "missing"
    ));
    for (id, channel) in receiver.channels() {
        line(format_args!(
            "{:>5} {:>4} {:>10} {:>10} {:>10} {:>8} {:>10}",
            id.scid,
            id.vcid,
            channel.frames,
            channel.idle_frames,
            channel.packets,
            channel.gaps,
            channel.missing
        ));
    }
    if !applications.0.is_empty() {
        line(format_args!(
            "\n{:>5} {:>4} {:>5} {:>10} {:>12} {:>8} {:>10}",
            "scid", "vcid", "apid", "packets", "octets", "gaps", "missing"
        ));
    }
    for ((id, apid), application) in &applications.0 {
        let apid = apid.map_or_else(|| "encap".to_owned(), |apid| apid.to_string());
        let Application { packets, octets, gaps, missing, .. } = application;
        line(format_args!(
            "{:>5} {:>4} {apid:>5} {packets:>10} {octets:>12} {gaps:>8} {missing:>10}",
            id.scid, id.vcid
        ));
    }
    if receiver.counters().rejected.total() > 0 {
        line(format_args!("\n{:<20} {:>12}", "rejected", "count"));
    }
    for (reason, count) in receiver.counters().rejected.iter() {
        line(format_args!("{:<20} {count:>12}  {}", reason.as_str(), reason.explanation()));
    }
    out
}

fn object(receiver: &Receiver, applications: &Applications) -> Value {
    let mut object: serde_json::Map<_, _> =
        totals(receiver).into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
    let channels: Vec<_> = receiver
        .channels()
        .map(|(id, channel)| {
            json!({
                "scid": id.scid, "vcid": id.vcid, "frames": channel.frames, "idle_frames": channel.idle_frames,
                "packets": channel.packets, "gaps": channel.gaps, "missing": channel.missing,
            })
        })
        .collect();
    let apids: Vec<_> = applications
        .0
        .iter()
        .map(|((id, apid), application)| {
            json!({
                "scid": id.scid, "vcid": id.vcid, "apid": apid, "packets": application.packets,
                "octets": application.octets, "gaps": application.gaps, "missing": application.missing,
            })
        })
        .collect();
    let rejected: serde_json::Map<_, _> = receiver
        .counters()
        .rejected
        .iter()
        .map(|(reason, count)| (reason.as_str().to_owned(), count.into()))
        .collect();
    object.insert("channels".to_owned(), channels.into());
    object.insert("apids".to_owned(), apids.into());
    object.insert("rejected".to_owned(), rejected.into());
    Value::Object(object)
}
