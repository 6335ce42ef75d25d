//! The receive chain: channel symbols in, frames and packets out.
//!
//! Viterbi → frame synchroniser → derandomiser → Reed-Solomon → FECF → transfer frame → virtual channel →
//! packets, in this order (131.0-B): the randomiser comes off *before* Reed-Solomon, and the FECF, which has the
//! last word, catches what Reed-Solomon corrected wrongly.
//!
//! Nothing is allocated for a frame or a packet once the buffers have grown to the link's size. A frame of an
//! uncoded link, and a packet that lies whole in one frame, is lent as it lies.

mod channel;
mod counters;
mod deframe;
mod sink;

pub use counters::{ChannelCounters, ChannelId, Counters, Rejections};
pub use sink::{Fec, ReceivedFrame, ReceivedPacket, Rejected, ServiceData, Sink};

use crate::coding::convolutional::Viterbi;
use crate::coding::randomizer::Randomizer;
use crate::coding::reed_solomon::ReedSolomon;
use crate::coding::soft::Quantizer;
use crate::link::{FrameType, LinkParameters, ParameterError, Symbols};
use crate::reason::Reason;
use crate::sync::{Alignment, SyncCounters, SyncParameters, SyncState, SyncedFrame, Synchronizer};
use deframe::Deframer;

/// Octets of input that are worked on at once where they must be converted first.
const PIECE: usize = 1 << 14;

/// What the receiver holds on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The Viterbi decoder sees the code, or where there is none, frames are locked.
    pub symbols: bool,
    /// Frames come where they are expected.
    pub frames: bool,
    /// What the frame synchroniser is doing.
    pub state: SyncState,
}

/// A receiver for one link.
///
/// ```
/// use perigee_ccsds::link::{FrameType, LinkParameters};
/// use perigee_ccsds::receive::{ReceivedPacket, Receiver, Sink};
///
/// struct Lengths(Vec<usize>);
/// impl Sink for Lengths {
///     fn packet(&mut self, packet: &ReceivedPacket<'_>) {
///         self.0.push(packet.octets.len());
///     }
/// }
///
/// let link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 14);
/// let mut receiver = Receiver::new(&link)?;
/// let mut lengths = Lengths(Vec::new());
/// receiver.receive(&[0, 0x10, 0, 0, 0x18, 0, 0, 1, 0xC0, 0, 0, 1, 7, 7], &mut lengths);
/// receiver.finish(&mut lengths);
/// assert_eq!(lengths.0, [8]);
/// # Ok::<(), perigee_ccsds::link::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Receiver {
    front: Front,
    chain: Chain,
}

/// From channel symbols to the synchroniser.
#[derive(Clone, Debug)]
struct Front {
    symbols: Symbols,
    viterbi: Option<Viterbi>,
    quantizer: Quantizer,
    synchronizer: Synchronizer,
    /// Octets of a floating-point symbol that was cut.
    cut: Vec<u8>,
    floats: Vec<f32>,
    soft: Vec<i8>,
    decoded: Vec<u8>,
}

/// From a coded block to packets.
#[derive(Clone, Debug)]
struct Chain {
    asm: Vec<u8>,
    max_errors: u32,
    randomizer: Option<Randomizer>,
    codec: Option<ReedSolomon>,
    block_length: usize,
    unit_length: usize,
    frame_length: usize,
    variable_length: bool,
    scratch: Vec<u8>,
    deframer: Deframer,
    /// Units of offset in an octet.
    units: u64,
    /// Where the last frame ended, in units of offset.
    end: u64,
    /// Units handed to the synchroniser.
    received: u64,
}

impl Receiver {
    /// A receiver at the start of its input.
    ///
    /// # Errors
    /// The parameters make no link.
    pub fn new(link: &LinkParameters) -> Result<Self, ParameterError> {
        link.check()?;
        let codec = link.reed_solomon.map(|rs| rs.codec(link.frame.length)).transpose()?;
        let bitwise = link.is_bitwise();
        let alignment = if bitwise { Alignment::Bit } else { Alignment::Octet };
        let block_length = link.block_length();
        let marker = link.asm.as_ref();
        let asm = marker.map_or(&[][..], |marker| &marker.asm);
        let mut sync = SyncParameters::new(asm, block_length, alignment);
        if let Some(marker) = marker {
            (sync.max_errors, sync.verify, sync.flywheel) =
                (marker.max_errors, marker.verify, marker.flywheel);
        }
        let max_errors = sync.max_errors;
        let synchronizer = Synchronizer::new(sync).map_err(|error| ParameterError {
            key: "sync",
            item: 0,
            problem: error.to_string(),
        })?;
        Ok(Self {
            front: Front {
                symbols: link.symbols,
                viterbi: link.convolutional.map(Viterbi::new),
                quantizer: Quantizer::new(),
                synchronizer,
                cut: Vec::new(),
                floats: Vec::new(),
                soft: Vec::new(),
                decoded: Vec::new(),
            },
            chain: Chain {
                asm: asm.to_vec(),
                max_errors,
                randomizer: link.randomizer,
                codec,
                block_length,
                unit_length: link.unit_length(),
                frame_length: link.frame.length,
                variable_length: matches!(link.frame.frame_type, FrameType::Uslp { .. }),
                scratch: vec![0; block_length],
                deframer: Deframer::new(link),
                units: if bitwise { 8 } else { 1 },
                end: 0,
                received: 0,
            },
        })
    }

    /// Takes the next octets of the input, in pieces of any size.
    pub fn receive(&mut self, input: &[u8], sink: &mut impl Sink) {
        let Self { front, chain } = self;
        chain.deframer.counters.octets += input.len() as u64;
        if front.viterbi.is_none() && front.symbols == Symbols::Octets {
            chain.received += input.len() as u64 * chain.units;
            return front.synchronizer.receive(input, &mut |frame| chain.synced(frame, sink));
        }
        for piece in input.chunks(PIECE) {
            front.piece(piece, chain, sink);
        }
    }

    /// Takes one unit that holds exactly one frame: a datagram, say. It may bring its marker or not.
    ///
    /// A link with a convolutional code, with symbols other than octets, or whose frames may begin at any bit, has no
    /// such units; there this is the same as [`Receiver::receive`].
    pub fn receive_unit(&mut self, unit: &[u8], sink: &mut impl Sink) {
        if self.chain.units != 1 {
            return self.receive(unit, sink);
        }
        self.chain.deframer.counters.octets += unit.len() as u64;
        self.chain.unit(unit, sink);
    }

    /// The input has ended: decodes what was held back, and drops what is open.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        let Self { front, chain } = self;
        front.drain(chain, sink);
        front.synchronizer.finish(&mut |frame| chain.synced(frame, sink));
        chain.finish(sink);
    }

    /// What has been counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.chain.deframer.counters
    }

    /// What has been counted on each virtual channel, in the order in which they appeared.
    pub fn channels(&self) -> impl Iterator<Item = (ChannelId, ChannelCounters)> + '_ {
        self.chain.deframer.channels().iter().map(|channel| (channel.id, channel.counters))
    }

    /// What the receiver holds on to now.
    #[must_use]
    pub fn lock(&self) -> Lock {
        let state = self.front.synchronizer.state();
        let frames = matches!(state, SyncState::Lock | SyncState::Flywheel);
        Lock { symbols: self.front.viterbi.as_ref().map_or(frames, Viterbi::locked), frames, state }
    }

    /// Whether the Viterbi decoder sees its code; `None` without a convolutional code.
    #[must_use]
    pub fn convolutional_lock(&self) -> Option<bool> {
        self.front.viterbi.as_ref().map(Viterbi::locked)
    }

    /// What the frame synchroniser has counted.
    #[must_use]
    pub fn sync_counters(&self) -> &SyncCounters {
        self.front.synchronizer.counters()
    }

    /// Bits of the input, behind a convolutional code of what its decoder gave, that belonged to no frame. Those of
    /// a search that goes on are among them.
    #[must_use]
    pub fn skipped_bits(&self) -> u64 {
        self.sync_counters().skipped * (8 / self.chain.units)
    }
}

impl Front {
    /// Turns one piece of the input into soft symbols or bits, and these into frames.
    fn piece(&mut self, piece: &[u8], chain: &mut Chain, sink: &mut impl Sink) {
        self.soft.clear();
        match self.symbols {
            Symbols::Octets => {
                let bits = piece.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
                self.soft.extend(bits.map(hard));
            }
            Symbols::Bits if self.viterbi.is_none() => {
                chain.received += piece.len() as u64;
                return self.synchronizer.receive_bits(piece, &mut |frame| chain.synced(frame, sink));
            }
            Symbols::Bits => self.soft.extend(piece.iter().map(|symbol| hard(symbol & 1))),
            Symbols::I8 => self.soft.extend(piece.iter().map(|symbol| symbol.cast_signed())),
            Symbols::F32 => {
                self.cut.extend_from_slice(piece);
                let (symbols, rest) = self.cut.as_chunks::<4>();
                self.floats.clear();
                self.floats.extend(symbols.iter().map(|symbol| f32::from_le_bytes(*symbol)));
                let whole = self.cut.len() - rest.len();
                self.cut.drain(..whole);
                self.quantizer.quantize(&self.floats, &mut self.soft);
            }
        }
        self.decode(chain, sink);
    }

    /// Sends the soft symbols on.
    fn decode(&mut self, chain: &mut Chain, sink: &mut impl Sink) {
        let mut synced = |frame: SyncedFrame<'_>| chain.synced(frame, sink);
        match &mut self.viterbi {
            None => {
                self.synchronizer.receive_soft(&self.soft, &mut synced);
                chain.received += self.soft.len() as u64;
            }
            Some(viterbi) => {
                self.decoded.clear();
                viterbi.decode(&self.soft, &mut self.decoded);
                self.synchronizer.receive(&self.decoded, &mut synced);
                chain.received += self.decoded.len() as u64 * 8;
            }
        }
    }

    /// The input has ended: sends on what the quantiser and the Viterbi decoder held back.
    fn drain(&mut self, chain: &mut Chain, sink: &mut impl Sink) {
        self.soft.clear();
        self.quantizer.finish(&mut self.soft);
        self.decode(chain, sink);
        if let Some(viterbi) = &mut self.viterbi {
            self.decoded.clear();
            viterbi.finish(&mut self.decoded);
            self.synchronizer.receive(&self.decoded, &mut |frame| chain.synced(frame, sink));
            chain.received += self.decoded.len() as u64 * 8;
        }
        if !self.cut.is_empty() {
            chain.refuse(Reason::Truncated, &self.cut, chain.received, sink);
            self.cut.clear();
        }
    }
}

/// A hard symbol as the Viterbi decoder wants it.
const fn hard(bit: u8) -> i8 {
    if bit == 0 { -1 } else { 1 }
}

impl Chain {
    /// A block that the synchroniser found.
    fn synced(&mut self, frame: SyncedFrame<'_>, sink: &mut impl Sink) {
        if frame.offset > self.end {
            self.passed_over(Reason::NotSynchronised, frame.offset, sink);
        }
        self.end = frame.offset + self.unit_length as u64 * self.units;
        self.block(frame.octets, frame.offset, sink);
    }

    /// Tells of the input between the last frame and here.
    fn passed_over(&mut self, reason: Reason, here: u64, sink: &mut impl Sink) {
        self.deframer.counters.rejected.add(reason);
        sink.rejected(&Rejected {
            reason,
            channel: None,
            frame_index: None,
            offset: self.end,
            length: (here - self.end).div_ceil(self.units),
            octets: &[],
        });
    }

    /// Takes the randomiser and Reed-Solomon off a block.
    #[inline]
    fn block(&mut self, block: &[u8], offset: u64, sink: &mut impl Sink) {
        let Self { randomizer, codec, scratch, deframer, frame_length, .. } = self;
        if randomizer.is_none() && codec.is_none() {
            return deframer.frame(block, offset, Fec::None, sink);
        }
        let scratch = &mut scratch[..block.len()];
        match randomizer {
            Some(randomizer) => randomizer.apply_to(block, scratch),
            None => scratch.copy_from_slice(block),
        }
        match codec {
            None => deframer.frame(scratch, offset, Fec::None, sink),
            Some(codec) => {
                let fec = codec.decode(scratch).corrected().map_or(Fec::Uncorrectable, Fec::Corrected);
                deframer.frame(&scratch[..*frame_length], offset, fec, sink);
            }
        }
    }

    /// A unit with a marker or without, one frame long.
    fn unit(&mut self, unit: &[u8], sink: &mut impl Sink) {
        let offset = self.received;
        self.received += unit.len() as u64;
        self.end = self.received;
        let (marker, block) = match unit.len().checked_sub(self.block_length) {
            Some(length) if length == self.asm.len() => unit.split_at(length),
            Some(0) => (&[][..], unit),
            // USLP frames tell their own length; without a code nothing else fixes it.
            None if self.variable_length && self.codec.is_none() && !unit.is_empty() => (&[][..], unit),
            _ => return self.refuse(Reason::WrongUnitLength, unit, offset, sink),
        };
        let errors: u32 = marker.iter().zip(&self.asm).map(|(a, b)| (a ^ b).count_ones()).sum();
        if errors > self.max_errors {
            return self.refuse(Reason::NotSynchronised, unit, offset, sink);
        }
        self.block(block, offset, sink);
    }

    fn refuse(&mut self, reason: Reason, octets: &[u8], offset: u64, sink: &mut impl Sink) {
        self.deframer.counters.rejected.add(reason);
        let length = octets.len() as u64;
        sink.rejected(&Rejected { reason, channel: None, frame_index: None, offset, length, octets });
    }

    fn finish(&mut self, sink: &mut impl Sink) {
        if self.received > self.end {
            // What is left may be the beginning of a frame, if frames came at all.
            let rest = self.received - self.end;
            let frame = self.unit_length as u64 * self.units;
            let cut = rest < frame && (self.end > 0 || self.asm.is_empty());
            let reason = if cut { Reason::Truncated } else { Reason::NotSynchronised };
            self.passed_over(reason, self.received, sink);
        }
        self.deframer.finish(self.received, sink);
        (self.end, self.received) = (0, 0);
    }
}
