//! Bare packets, one behind the other, each perhaps with a header of some recorder in front of it.

use std::process::ExitCode;

use perigee_ccsds::packet::{Extent, extent};
use perigee_link::packets::{LONGEST, Piece, Splitter};

use super::{Arguments, Work};
use crate::tm::input::Input;
use crate::tm::link::REJECTED;

/// Decodes every packet of the recording; gives the exit status of the reading itself.
pub(super) fn read(arguments: &Arguments, work: &mut Work<'_>) -> anyhow::Result<ExitCode> {
    let mut input = Input::open(&arguments.file)?;
    let lost = if arguments.skip_header == 0 {
        plain(&mut input, work)?
    } else {
        behind_headers(&mut input, arguments.skip_header, work)?
    };
    let name = input.name();
    anyhow::ensure!(
        work.counts.packets > 0 || lost == 0,
        "{name} holds no packet: nothing found in {lost} octets\n\
         hint: frames need --link, and a header before each packet --skip-header"
    );
    if lost == 0 || work.is_over() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("perigee: {lost} octets of {name} belong to no whole packet");
    Ok(if arguments.strict { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

/// Packets with nothing between them; what is no packet is passed over and counted.
fn plain(input: &mut Input, work: &mut Work<'_>) -> anyhow::Result<u64> {
    let mut splitter = Splitter::default();
    let mut lost = 0;
    let mut take = |work: &mut Work<'_>, piece: Piece<'_>| match piece {
        Piece::Packet(packet) => work.decode(packet),
        Piece::Rejected(_, octets) => lost += octets.len() as u64,
    };
    loop {
        let octets = input.next()?;
        if octets.is_empty() {
            break;
        }
        splitter.receive(octets, |piece| take(work, piece));
        if work.is_over() {
            return Ok(lost);
        }
    }
    splitter.finish(|piece| take(work, piece));
    Ok(lost)
}

/// Packets with `skip` octets before each. Nothing marks where one begins, so all behind damage is lost.
fn behind_headers(input: &mut Input, skip: usize, work: &mut Work<'_>) -> anyhow::Result<u64> {
    let mut kept: Vec<u8> = Vec::new();
    let mut damaged = false;
    let mut lost = 0;
    loop {
        let octets = input.next()?;
        if octets.is_empty() || work.is_over() {
            return Ok(lost + kept.len() as u64);
        }
        if damaged {
            lost += octets.len() as u64;
            continue;
        }
        kept.extend_from_slice(octets);
        let mut at = 0;
        while let Some(rest) = kept.get(at + skip..) {
            match extent(rest) {
                Extent::Known(length) if length <= rest.len() => {
                    work.decode(&rest[..length]);
                    at += skip + length;
                }
                Extent::Known(length) if length <= LONGEST => break,
                Extent::NeedsOctets(_) => break,
                Extent::Known(_) | Extent::Invalid(_) => {
                    damaged = true;
                    break;
                }
            }
        }
        kept.drain(..at);
    }
}
