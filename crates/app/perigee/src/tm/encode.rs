//! `perigee tm encode`: packets to channel symbols.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use perigee_ccsds::link::{FrameType, LinkParameters, Service};
use perigee_ccsds::packet::{Extent, extent};
use perigee_ccsds::send::Sender;

use super::input::Input;
use super::link::read_link;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Link file: the managed parameters of the channel
    #[arg(long, value_name = "LINK.toml")]
    pub(crate) link: PathBuf,
    /// The virtual channel to send on; left out: the first of the link file that carries packets, or 0
    #[arg(long)]
    pub(crate) vcid: Option<u8>,
    /// Where the symbols go; left out: standard output
    #[arg(short, long, value_name = "FRAMES")]
    pub(crate) output: Option<PathBuf>,
    /// Packets one behind the other, or - for standard input
    #[arg(value_name = "PACKETS")]
    pub(crate) file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let link = read_link(&arguments.link)?;
    let mut sender = Sender::new(&link).context("link file")?;
    let vcid = arguments.vcid.unwrap_or_else(|| first_packet_channel(&link));
    let mut input = Input::open(&arguments.file)?;
    let mut output = open(arguments.output.as_deref())?;
    match encode(&mut sender, vcid, link.packet.max_length, &mut input, &mut output) {
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Failure::Write(error)) => Err(error).context("cannot write the frames"),
        Err(Failure::Read(error)) => Err(error.context(format!("while encoding {}", input.name()))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

enum Failure {
    Read(anyhow::Error),
    Write(io::Error),
}

fn encode(
    sender: &mut Sender,
    vcid: u8,
    longest: usize,
    input: &mut Input,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    let mut offset = 0;
    let mut symbols = Vec::new();
    loop {
        let piece = input.next().map_err(Failure::Read)?;
        let ended = piece.is_empty();
        waiting.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let rest = &waiting[at..];
            let packet = match extent(rest) {
                Extent::Known(total) if total > longest => {
                    let error = anyhow::anyhow!(
                        "octet {}: a packet of {total} octets; `packet.max_length` of the link is {longest}",
                        offset + at
                    );
                    return Err(Failure::Read(error));
                }
                Extent::Known(total) if total <= rest.len() => &rest[..total],
                Extent::Invalid(reason) => {
                    let error = anyhow::anyhow!("octet {}: {}", offset + at, reason.explanation());
                    return Err(Failure::Read(error));
                }
                _ if ended && !rest.is_empty() => {
                    let error = anyhow::anyhow!("octet {}: the last packet is cut short", offset + at);
                    return Err(Failure::Read(error));
                }
                _ => break,
            };
            sender
                .push_packet(vcid, packet)
                .with_context(|| format!("octet {}", offset + at))
                .map_err(Failure::Read)?;
            at += packet.len();
            while sender.frame_ready() {
                sender.poll_transmit(&mut symbols);
            }
            output.write_all(&symbols).map_err(Failure::Write)?;
            symbols.clear();
        }
        waiting.drain(..at);
        offset += at;
        if ended {
            break;
        }
    }
    sender.flush(&mut symbols);
    output.write_all(&symbols).and_then(|()| output.flush()).map_err(Failure::Write)
}

fn first_packet_channel(link: &LinkParameters) -> u8 {
    let named = link.channels.iter().find(|channel| channel.service == Service::MPdu).map(|c| c.vcid);
    let count = if matches!(link.frame.frame_type, FrameType::Tm { .. }) { 8 } else { 63 };
    named.or_else(|| (0..count).find(|vcid| link.service(*vcid) == Service::MPdu)).unwrap_or(0)
}

fn open(path: Option<&Path>) -> anyhow::Result<BufWriter<Box<dyn Write>>> {
    let sink: Box<dyn Write> = match path {
        None => Box::new(io::stdout().lock()),
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?)
        }
    };
    Ok(BufWriter::with_capacity(1 << 16, sink))
}
