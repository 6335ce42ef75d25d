//! Transfer frames of the space data link protocols: TM (132.0-B-3), AOS (732.0-B-5) and USLP (732.1-B-3).
//!
//! Each type has a checked view over the octets of one frame and a small owned header; the two round-trip.
//! The views look at structure only: error control is checked by [`crate::receive`], before.

mod aos;
mod count;
mod ocf;
mod oid;
mod pdu;
mod tm;
mod uslp;

pub use aos::{AosFrame, AosHeader, AosLayout, ScidBits};
pub use count::{Continuity, FrameCount};
pub use ocf::{Clcw, OCF_LENGTH, OperationalControl};
pub use oid::OidFill;
pub use pdu::{BPdu, BitstreamPointer, FirstHeader, MPdu};
pub use tm::{SECONDARY_HEADER_MAX, TmFrame, TmHeader};
pub use uslp::{Rule, Upid, UslpBody, UslpFrame, UslpHeader, UslpLayout};

/// Transfer frame version number of TM, as it stands in the two leading bits.
pub const TFVN_TM: u8 = 0;
/// Transfer frame version number of AOS, two bits.
pub const TFVN_AOS: u8 = 1;
/// Transfer frame version number of USLP, four bits.
pub const TFVN_USLP: u8 = 0b1100;

/// The transfer frame version number that the first octet announces: two bits, four where these are both set.
#[must_use]
pub const fn version(first: u8) -> u8 {
    if first >> 6 == 0b11 { first >> 4 } else { first >> 6 }
}

/// What is wrong with the octets of a frame, or with the fields of a header about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer octets than the fixed parts take.
    #[error("{have} octets, {need} are needed")]
    TooShort {
        /// Octets that the parts need.
        need: usize,
        /// Octets that there are.
        have: usize,
    },
    /// Another kind of frame.
    #[error("transfer frame version number {found}, not {expected}")]
    Version {
        /// The version number of this type of frame.
        expected: u8,
        /// The version number in the octets.
        found: u8,
    },
    /// The length field does not fit the octets.
    #[error("the header says {declared} octets, there are {actual}")]
    Length {
        /// Length that the header declares.
        declared: usize,
        /// Octets that there are.
        actual: usize,
    },
    /// A value too big for its field.
    #[error("{field} {value} is more than {max}")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// The value given.
        value: u64,
        /// The largest value the field holds.
        max: u64,
    },
}

/// The primary header of a TM or AOS frame: six octets that begin with the version number.
#[inline]
fn primary_header(octets: &[u8], tfvn: u8) -> Result<[u8; 6], FrameError> {
    match octets.first_chunk::<6>() {
        None => Err(FrameError::TooShort { need: 6, have: octets.len() }),
        Some([first, ..]) if first >> 6 != tfvn => {
            Err(FrameError::Version { expected: tfvn, found: version(*first) })
        }
        Some(header) => Ok(*header),
    }
}

/// The data field of a TM or AOS frame, which begins at `start`, and the OCF if there is one. The FECF is the last.
#[inline]
fn data_field(
    octets: &[u8],
    start: usize,
    ocf: bool,
    fecf: usize,
) -> Result<(&[u8], Option<[u8; OCF_LENGTH]>), FrameError> {
    let need = start + fecf + if ocf { OCF_LENGTH } else { 0 };
    let have = octets.len();
    if need > have {
        return Err(FrameError::TooShort { need, have });
    }
    let (data, rest) = octets[start..].split_at(have - need);
    Ok((data, if ocf { rest.first_chunk().copied() } else { None }))
}

/// Refuses a value that its field cannot hold.
pub(crate) fn fits(field: &'static str, value: u64, bits: u32) -> Result<(), FrameError> {
    let max = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
    if value <= max { Ok(()) } else { Err(FrameError::Range { field, value, max }) }
}
