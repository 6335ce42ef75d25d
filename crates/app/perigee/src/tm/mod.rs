//! `perigee tm`: recorded telemetry, offline.
//!
//! Each verb reads one file or standard input, writes to standard output or a file, and ends with a
//! status that says how it went: 0 done, 1 it could not be done (a file that cannot be read, a wrong
//! link file, nothing decoded at all), 2 the command line was wrong, 3 under `--strict`: done, but
//! something was rejected. What was rejected, and why, stands on standard error in any case.

mod decode;
mod encode;
mod frames;
mod input;
mod link;
mod output;
mod packets;
mod stats;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List the transfer frames in a recording
    Frames(frames::Arguments),
    /// List the packets in a recording
    Packets(packets::Arguments),
    /// Turn packets into engineering values
    Decode(decode::Arguments),
    /// Turn packets into coded frames: the way back
    Encode(encode::Arguments),
    /// Count what is in a recording, by channel, with gaps, corrections and reasons
    Stats(stats::Arguments),
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Frames(arguments) => frames::run(&arguments),
        Verb::Packets(arguments) => packets::run(&arguments),
        Verb::Decode(arguments) => decode::run(&arguments),
        Verb::Encode(arguments) => encode::run(&arguments),
        Verb::Stats(arguments) => stats::run(&arguments),
    }
}
