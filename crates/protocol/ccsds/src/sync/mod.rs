//! Frame synchronisation by attached sync marker (CCSDS 131.0-B §9; "ASM", from issue 6 on "CSM").
//!
//! Search, verify, lock and flywheel over a stream that arrives in arbitrary pieces. The rules are in
//! `tracker`, looking for the marker is in `window` and `marker`, and this file moves the octets.
//!
//! What it refuses to do: it never throws a frame away because its marker alone is damaged, and it never lets a
//! chance marker inside a frame, or garbage between frames, hide a true one.

mod marker;
mod tracker;
mod window;

use marker::Marker;
use tracker::{Step, Tracker};
use window::{BitWindow, OctetWindow, Window};

/// The marker of uncoded, convolutional, Reed-Solomon, concatenated and rate-7/8 LDPC links (131.0-B §9.3).
pub const ASM: [u8; 4] = [0x1A, 0xCF, 0xFC, 0x1D];

/// Where a frame may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// At any octet: offsets count octets.
    Octet,
    /// At any bit: offsets count bits.
    Bit,
}

impl Alignment {
    /// Units of offset in an octet.
    fn units(self) -> u64 {
        match self {
            Alignment::Octet => 1,
            Alignment::Bit => 8,
        }
    }
}

/// What the synchroniser is told about the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncParameters {
    /// The marker; empty when frames stand back to back.
    pub asm: Vec<u8>,
    /// Octets from the end of a marker to the beginning of the next: the coded block.
    pub frame_len: usize,
    /// Where markers may begin.
    pub alignment: Alignment,
    /// Bit errors that a marker may have, in either polarity.
    pub max_errors: u32,
    /// Markers that must follow at the right distance before lock. A frame in between is handed out once it is clear
    /// whether they follow: also where they do not, unless a better marker stands inside it, since error control can
    /// still tell a false frame and nothing can bring back a true one.
    pub verify: u32,
    /// Frames handed out on trust when neither their marker nor the one after it is there.
    pub flywheel: u32,
    /// How far, in units of the alignment, a slipped marker is looked for on both sides of its place.
    pub max_slip: u32,
}

impl SyncParameters {
    /// The usual settings for frames of `frame_len` octets: no bit error in the marker, one marker to verify, one
    /// frame of flywheel, slips of up to 8 bits.
    pub fn new(asm: &[u8], frame_len: usize, alignment: Alignment) -> Self {
        let max_slip = match alignment {
            Alignment::Octet => 0,
            Alignment::Bit => 8,
        };
        Self { asm: asm.to_vec(), frame_len, alignment, max_errors: 0, verify: 1, flywheel: 1, max_slip }
    }
}

/// Why these parameters cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// A frame has at least one octet.
    #[error("the frame length is 0")]
    FrameLength,
    /// With this many errors allowed, the marker and its inverse, or anything at all, would match.
    #[error("{errors} bit errors are too many for a marker of {bits} bits")]
    MaxErrors {
        /// The errors asked for.
        errors: u32,
        /// The marker's length.
        bits: usize,
    },
    /// More than [`MAX_VERIFY`] would hold back too much.
    #[error("verification by {0} markers is more than {MAX_VERIFY}")]
    Verify(u32),
}

/// The most markers that may be asked for before lock: frames wait in memory for them.
pub const MAX_VERIFY: u32 = 16;

/// What the synchroniser is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// No marker in sight.
    Search,
    /// A marker was seen; the ones that must follow it have not come yet.
    Verify,
    /// Markers come where they are expected.
    Lock,
    /// The last marker was not where it was expected.
    Flywheel,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncCounters {
    /// Frames handed out.
    pub frames: u64,
    /// Of these, frames without a marker good enough.
    pub flywheel: u64,
    /// Units (octets or bits) that belonged to no frame.
    pub skipped: u64,
    /// Markers found a few units off their place.
    pub slips: u64,
    /// Frames of another polarity than the one before.
    pub polarity_changes: u64,
    /// Markers taken back, because a better one stood inside their frame.
    pub false_markers: u64,
    /// Times that lock was lost.
    pub losses: u64,
}

/// A frame as it was sent: the octets after the marker, polarity put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncedFrame<'a> {
    /// `frame_len` octets, still randomised and coded.
    pub octets: &'a [u8],
    /// Where its marker begins in the whole input, in units of the alignment.
    pub offset: u64,
    /// The input had all bits inverted.
    pub inverted: bool,
    /// Wrong bits of the marker; `None` when it had too many and the frame is handed out by flywheel.
    pub marker_errors: Option<u32>,
}

/// Finds frames in a stream.
///
/// Input comes in pieces of any size, and how it was cut makes no difference to the frames. While octet-aligned
/// frames arrive whole and in lock they are lent straight from the input.
///
/// ```
/// use perigee_ccsds::sync::{ASM, Alignment, SyncParameters, Synchronizer};
/// let mut synchronizer = Synchronizer::new(SyncParameters::new(&ASM, 3, Alignment::Octet))?;
/// let mut offsets = Vec::new();
/// let mut frame = |frame: perigee_ccsds::sync::SyncedFrame<'_>| offsets.push((frame.offset, frame.octets.to_vec()));
/// synchronizer.receive(b"??\x1A\xCF\xFC\x1Done\x1A\xCF\xFC\x1Dtwo", &mut frame);
/// synchronizer.finish(&mut frame);
/// assert_eq!(offsets, [(2, b"one".to_vec()), (9, b"two".to_vec())]);
/// # Ok::<(), perigee_ccsds::sync::SyncError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Synchronizer {
    alignment: Alignment,
    marker: Marker,
    tracker: Tracker,
    /// Octets of the input before those that wait.
    base: u64,
    /// What could not be decided yet.
    waiting: Vec<u8>,
    /// How far the input must go, in octets, before anything more can be decided.
    wanted: Option<u64>,
    /// Bits that do not fill an octet yet, the newest in bit 0.
    loose: u8,
    loose_len: u32,
    packed: Vec<u8>,
    scratch: Vec<u8>,
}

/// How much is taken at once while no frame boundary is known.
const SEARCH_PIECE: usize = 1 << 16;

impl Synchronizer {
    /// A synchroniser at the start of its stream.
    ///
    /// # Errors
    /// When the parameters contradict each other.
    pub fn new(parameters: SyncParameters) -> Result<Self, SyncError> {
        let SyncParameters { asm, frame_len, alignment, max_errors, verify, flywheel, max_slip } = parameters;
        if frame_len == 0 {
            return Err(SyncError::FrameLength);
        }
        if verify > MAX_VERIFY {
            return Err(SyncError::Verify(verify));
        }
        let bits = 8 * asm.len();
        if max_errors > 0 && max_errors as usize * 4 >= bits {
            return Err(SyncError::MaxErrors { errors: max_errors, bits });
        }
        let units = alignment.units();
        let tracker = Tracker::new(
            asm.len() as u64 * units,
            frame_len as u64 * units,
            verify,
            flywheel,
            if asm.is_empty() { 0 } else { max_slip },
        );
        Ok(Self {
            alignment,
            marker: Marker::new(asm, max_errors),
            tracker,
            base: 0,
            waiting: Vec::new(),
            wanted: None,
            loose: 0,
            loose_len: 0,
            packed: Vec::new(),
            scratch: vec![0; frame_len],
        })
    }

    /// What it is doing now.
    pub fn state(&self) -> SyncState {
        self.tracker.state()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &SyncCounters {
        &self.tracker.counters
    }

    /// Takes packed input, eight bits to an octet, the first in the most significant: octets as received, or what a
    /// Viterbi decoder gives.
    pub fn receive(&mut self, input: &[u8], frame: &mut impl FnMut(SyncedFrame<'_>)) {
        if self.loose_len == 0 {
            self.advance(input, frame);
        } else {
            // Only when single bits and octets are mixed.
            for octet in input {
                let bits: [u8; 8] = std::array::from_fn(|at| octet >> (7 - at) & 1);
                self.receive_bits(&bits, frame);
            }
        }
    }

    /// Takes hard bits, one to an octet, in bit 0.
    pub fn receive_bits(&mut self, bits: &[u8], frame: &mut impl FnMut(SyncedFrame<'_>)) {
        self.receive_each(bits, |bit| bit & 1, frame);
    }

    /// Takes soft symbols of an uncoded link, positive for 1, and slices them.
    pub fn receive_soft(&mut self, symbols: &[i8], frame: &mut impl FnMut(SyncedFrame<'_>)) {
        self.receive_each(symbols, |soft| u8::from(soft > 0), frame);
    }

    /// Ends the stream: hands out the whole frames that were waiting to be verified. What is short of a frame is
    /// counted as skipped. Afterwards the synchroniser is as new, but for its counters.
    pub fn finish(&mut self, frame: &mut impl FnMut(SyncedFrame<'_>)) {
        let mut end = (self.base + self.waiting.len() as u64) * self.alignment.units();
        if self.loose_len > 0 && self.alignment == Alignment::Bit {
            self.waiting.push(self.loose << (8 - self.loose_len));
            end += u64::from(self.loose_len);
        }
        self.run_waiting(Some(end), frame);
        self.tracker.finish(end);
        self.waiting.clear();
        (self.base, self.wanted, self.loose_len) = (0, None, 0);
    }

    fn receive_each<T: Copy>(
        &mut self,
        symbols: &[T],
        bit: impl Fn(T) -> u8,
        frame: &mut impl FnMut(SyncedFrame<'_>),
    ) {
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        let fill = (8 - self.loose_len) as usize % 8;
        let (head, body) = symbols.split_at(fill.min(symbols.len()));
        let (octets, tail) = body.as_chunks::<8>();
        self.loosen(head, &bit, &mut packed);
        packed
            .extend(octets.iter().map(|octet| octet.iter().fold(0, |bits, symbol| bits << 1 | bit(*symbol))));
        self.loosen(tail, &bit, &mut packed);
        self.advance(&packed, frame);
        self.packed = packed;
    }

    /// Takes single bits, and gives an octet when eight are together.
    fn loosen<T: Copy>(&mut self, symbols: &[T], bit: impl Fn(T) -> u8, packed: &mut Vec<u8>) {
        for symbol in symbols {
            self.loose = self.loose << 1 | bit(*symbol);
            self.loose_len += 1;
            if self.loose_len == 8 {
                packed.push(self.loose);
                self.loose_len = 0;
            }
        }
    }

    fn advance(&mut self, mut input: &[u8], frame: &mut impl FnMut(SyncedFrame<'_>)) {
        while !input.is_empty() {
            if self.waiting.is_empty() {
                let end = (self.base + input.len() as u64) * self.alignment.units();
                let done = self.run(input, end, false, frame);
                self.waiting.extend_from_slice(&input[done..]);
                self.base += done as u64;
                return;
            }
            let waiting_end = self.base + self.waiting.len() as u64;
            let piece =
                self.wanted.map_or(SEARCH_PIECE, |wanted| wanted.saturating_sub(waiting_end).max(1) as usize);
            let (piece, rest) = input.split_at(piece.min(input.len()));
            self.waiting.extend_from_slice(piece);
            input = rest;
            self.run_waiting(None, frame);
        }
    }

    /// Decides what can be decided on the waiting octets; `ended` gives the end of the whole input.
    fn run_waiting(&mut self, ended: Option<u64>, frame: &mut impl FnMut(SyncedFrame<'_>)) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let end = ended.unwrap_or((self.base + waiting.len() as u64) * self.alignment.units());
        let done = self.run(&waiting, end, ended.is_some(), frame);
        waiting.drain(..done);
        self.base += done as u64;
        self.waiting = waiting;
    }

    /// Returns how many of the octets need not be seen again.
    fn run(
        &mut self,
        octets: &[u8],
        end: u64,
        ended: bool,
        frame: &mut impl FnMut(SyncedFrame<'_>),
    ) -> usize {
        let Self { tracker, marker, scratch, base, .. } = self;
        let wanted = match self.alignment {
            Alignment::Octet => {
                hand_out(&OctetWindow { octets, base: *base, marker }, tracker, ended, scratch, frame)
            }
            Alignment::Bit => {
                hand_out(&BitWindow { octets, base: *base, end, marker }, tracker, ended, scratch, frame)
            }
        };
        let units = self.alignment.units();
        self.wanted = wanted.map(|wanted| wanted.div_ceil(units));
        ((tracker.needed_from() / units).saturating_sub(*base) as usize).min(octets.len())
    }
}

/// Hands out every frame that is certain, and returns up to where the tracker wants to see for the next.
fn hand_out(
    window: &impl Window,
    tracker: &mut Tracker,
    ended: bool,
    scratch: &mut [u8],
    frame: &mut impl FnMut(SyncedFrame<'_>),
) -> Option<u64> {
    loop {
        match tracker.next(window, ended) {
            Step::Frame { at, body, inverted, marker_errors } => {
                let octets = window.octets(body, inverted, scratch);
                frame(SyncedFrame { octets, offset: at, inverted, marker_errors });
            }
            Step::Wait(wanted) => return wanted,
        }
    }
}

#[cfg(test)]
mod tests;
