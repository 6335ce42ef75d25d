//! Runs a recording through the receive chain, and says what is wrong when nothing comes out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use perigee_ccsds::Reason;
use perigee_ccsds::link::{LinkParameters, Symbols};
use perigee_ccsds::receive::{Receiver, Sink};

use super::input::Input;

/// Status of a run under `--strict` in which something was rejected.
pub(crate) const REJECTED: u8 = 3;
/// Octets at the beginning of the input that are kept, to look at when no frame is found.
const HEAD: usize = 1 << 18;

/// What the verbs that walk the receive chain have in common.
#[derive(Args)]
pub(crate) struct Recording {
    /// Link file: the managed parameters of the channel
    #[arg(long, value_name = "LINK.toml")]
    pub(crate) link: PathBuf,
    /// End with status 3 when anything was rejected
    #[arg(long)]
    pub(crate) strict: bool,
    /// The recording, or - for standard input
    pub(crate) file: PathBuf,
}

/// Reads a link file.
pub(crate) fn read_link(path: &Path) -> anyhow::Result<LinkParameters> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read link file {name}"))?;
    LinkParameters::from_toml(&text).with_context(|| format!("link file {name}"))
}

impl Recording {
    /// Shows the whole recording to the sink; `stop` ends it early. The receiver comes back with its counters.
    pub(crate) fn receive<S: Sink>(
        &self,
        link: &LinkParameters,
        sink: &mut S,
        stop: impl Fn(&S) -> bool,
    ) -> anyhow::Result<Run> {
        let mut receiver = Receiver::new(link).context("link file")?;
        let mut input = Input::open(&self.file)?;
        let mut head = Vec::new();
        loop {
            let piece = input.next()?;
            if piece.is_empty() {
                break;
            }
            if head.len() < HEAD {
                head.extend_from_slice(&piece[..piece.len().min(HEAD - head.len())]);
            }
            receiver.receive(piece, sink);
            if stop(sink) {
                return Ok(Run { receiver, name: input.name().to_owned(), head, stopped: true });
            }
        }
        receiver.finish(sink);
        Ok(Run { receiver, name: input.name().to_owned(), head, stopped: false })
    }

    /// The exit status, and on standard error what was rejected.
    pub(crate) fn status(&self, link: &LinkParameters, run: &Run) -> anyhow::Result<ExitCode> {
        let counters = run.receiver.counters();
        if run.stopped {
            return Ok(ExitCode::SUCCESS);
        }
        let rejected: Vec<_> =
            counters.rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        if counters.good_frames == 0 {
            let what = if counters.octets == 0 {
                "is empty".to_owned()
            } else if counters.frames == 0 {
                format!("holds no frame: nothing found in {} octets", counters.octets)
            } else {
                format!("holds no good frame: {} of {}", rejected.join(", "), counters.frames)
            };
            let hint = run.hint(link).map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            anyhow::bail!("{} {what}{hint}", run.name);
        }
        if rejected.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("perigee: rejected in {}: {}", run.name, rejected.join(", "));
        if counters.rejected.of(Reason::Truncated) > 0 && link.asm.is_none() {
            eprintln!("hint: the input is no whole number of frames of {} octets", link.block_length());
        }
        Ok(if self.strict { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
    }
}

/// A recording that was read.
pub(crate) struct Run {
    pub(crate) receiver: Receiver,
    name: String,
    head: Vec<u8>,
    stopped: bool,
}

impl Run {
    /// What to look at in the link file when nothing could be decoded.
    fn hint(&self, link: &LinkParameters) -> Option<String> {
        let counters = self.receiver.counters();
        if counters.octets == 0 {
            return None;
        }
        let unit = link.unit_length();
        if let Some(distance) = self.marker_distance(link).filter(|distance| *distance != unit) {
            return Some(format!(
                "markers come every {distance} octets, the link file says {unit} (frame.length {} and parity): \
                 check frame.length and coding.reed_solomon",
                link.frame.length
            ));
        }
        let (worst, _) = counters.rejected.iter().max_by_key(|(_, count)| *count)?;
        Some(match worst {
            Reason::Uncorrectable => {
                "check coding.randomizer, and interleave, basis and code of coding.reed_solomon".to_owned()
            }
            Reason::BadFecf => "check frame.fecf, frame.length and coding.randomizer".to_owned(),
            Reason::WrongVersion => "check frame.type, frame.length and coding.randomizer".to_owned(),
            Reason::WrongScid => {
                "frame.scid is that of another spacecraft; check frame.scid_bits too".to_owned()
            }
            Reason::Truncated if link.asm.is_none() => {
                format!("the input is shorter than a frame of {unit} octets: check frame.length")
            }
            Reason::NotSynchronised if link.asm.is_some() => {
                "the marker was not found: check sync.asm, input.symbols, coding.convolutional and frame.length"
                    .to_owned()
            }
            other => other.explanation().to_owned(),
        })
    }

    /// How far apart markers mostly are in octet input without a convolutional code.
    fn marker_distance(&self, link: &LinkParameters) -> Option<usize> {
        let marker = &link.asm.as_ref()?.asm;
        if link.symbols != Symbols::Octets || link.convolutional.is_some() {
            return None;
        }
        let mut places = self.head.windows(marker.len()).enumerate();
        let places: Vec<_> = places.by_ref().filter(|(_, w)| w == marker).map(|(at, _)| at).collect();
        let mut distances: Vec<_> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        distances.sort_unstable();
        let groups = distances.chunk_by(|a, b| a == b);
        groups.max_by_key(|group| group.len()).map(|group| group[0])
    }
}
