//! Frames and packets on their way to the disk: those of one channel and one transaction share a row.

use std::collections::HashMap;

use perigee_part::Timestamp;
use rusqlite::{Transaction, params};

use super::haul::Haul;
use super::wire::{Corrupt, Reader, put_octets, put_signed};
use crate::links::LinkId;

/// Channels whose buffers are kept from one transaction to the next.
const MAX_IDLE: usize = 4096;
/// A row takes so many octets, and what does not fit begins another.
const MAX_BLOCK: usize = 8 << 20;

/// Records of one channel since the last transaction.
#[derive(Debug)]
struct Block {
    received: (i64, i64),
    generated: (i64, i64),
    count: u32,
    octets: Vec<u8>,
}

impl Default for Block {
    fn default() -> Self {
        const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
        Self { received: NOTHING, generated: NOTHING, count: 0, octets: Vec::new() }
    }
}

impl Block {
    fn push(&mut self, received: Timestamp, generated: Timestamp, octets: &[u8]) {
        let widen = |(low, high): (i64, i64), time: i64| (low.min(time), high.max(time));
        self.received = widen(self.received, received.0);
        self.generated = widen(self.generated, generated.0);
        self.count += 1;
        put_signed(&mut self.octets, received.0);
        put_signed(&mut self.octets, generated.0.wrapping_sub(received.0));
        put_octets(&mut self.octets, octets);
    }

    fn clear(&mut self) {
        *self = Self { octets: std::mem::take(&mut self.octets), ..Self::default() };
        self.octets.clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Channel {
    Frames { link: LinkId, vcid: u8 },
    Packets { link: LinkId, vcid: Option<u8>, apid: Option<u16> },
}

/// What waits for the next transaction.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    channels: HashMap<Channel, Block>,
    full: Vec<(Channel, Block)>,
    octets: usize,
}

impl Blocks {
    /// Takes frames and packets of a haul in.
    pub(crate) fn apply(&mut self, haul: &Haul, frames: bool, packets: bool) {
        if frames {
            for frame in &haul.frames {
                let channel = Channel::Frames { link: haul.link, vcid: frame.vcid };
                self.push(channel, frame.received, frame.received, haul.frame_octets(frame));
            }
        }
        if packets {
            for packet in &haul.packets {
                let channel = Channel::Packets { link: haul.link, vcid: packet.vcid, apid: packet.apid };
                self.push(channel, packet.received, packet.generated, haul.packet_octets(packet));
            }
        }
    }

    fn push(&mut self, channel: Channel, received: Timestamp, generated: Timestamp, octets: &[u8]) {
        let block = self.channels.entry(channel).or_default();
        block.push(received, generated, octets);
        self.octets += octets.len();
        if block.octets.len() >= MAX_BLOCK {
            self.full.push((channel, std::mem::take(block)));
        }
    }

    /// Octets of frames and packets that wait.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Writes all that waits. It stays until [`Blocks::committed`].
    pub(crate) fn save(
        &self,
        transaction: &Transaction<'_>,
        link: impl Fn(LinkId) -> Option<i64>,
    ) -> rusqlite::Result<()> {
        let mut frame = transaction.prepare_cached(
            "INSERT INTO frame (link, vcid, received_first, received_last, count, block) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut packet = transaction.prepare_cached(
            "INSERT INTO packet (link, vcid, apid, received_first, received_last, generated_first, generated_last, count, block)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let full = self.full.iter().map(|(channel, block)| (channel, block));
        for (channel, block) in full.chain(self.channels.iter().filter(|(_, block)| block.count > 0)) {
            let (received, generated) = (block.received, block.generated);
            match *channel {
                Channel::Frames { link: from, vcid } => frame.execute(params![
                    link(from),
                    vcid,
                    received.0,
                    received.1,
                    block.count,
                    block.octets
                ])?,
                Channel::Packets { link: from, vcid, apid } => packet.execute(params![
                    link(from),
                    vcid,
                    apid,
                    received.0,
                    received.1,
                    generated.0,
                    generated.1,
                    block.count,
                    block.octets
                ])?,
            };
        }
        Ok(())
    }

    /// What was saved is durable.
    pub(crate) fn committed(&mut self) {
        self.full.clear();
        self.octets = 0;
        if self.channels.len() > MAX_IDLE {
            self.channels.clear();
        }
        for block in self.channels.values_mut() {
            block.clear();
        }
    }
}

/// A frame or packet as it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored<'a> {
    pub(crate) received: Timestamp,
    pub(crate) generated: Timestamp,
    pub(crate) octets: &'a [u8],
}

/// The frames or packets in the block of a row.
pub(crate) fn read(block: &[u8]) -> impl Iterator<Item = Result<Stored<'_>, Corrupt>> {
    let mut from = Reader::new(block);
    std::iter::from_fn(move || {
        if from.is_empty() {
            return None;
        }
        let stored = (|| {
            let received = from.signed()?;
            let generated = received.wrapping_add(from.signed()?);
            let octets = from.octets()?;
            Ok(Stored { received: Timestamp(received), generated: Timestamp(generated), octets })
        })();
        if stored.is_err() {
            // Nothing behind the damage can be told apart.
            from = Reader::new(&[]);
        }
        Some(stored)
    })
}
