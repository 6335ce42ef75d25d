//! Holds the managed parameters against each other.

use super::{Fecf, FrameType, LinkParameters, ReedSolomonParameters, Service};
use crate::coding::reed_solomon::{CODEWORD_LEN, ReedSolomon};
use crate::frame::{AosHeader, AosLayout, OCF_LENGTH, SECONDARY_HEADER_MAX, TmHeader, UslpHeader};
use crate::sync::MAX_VERIFY;

/// The longest transfer frame that a link may have: what the length field of USLP can tell.
const FRAME_MAX: usize = 65536;
/// The longest packet that a link may allow.
const PACKET_MAX: usize = 16 << 20;

/// A parameter that does not fit the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ParameterError {
    /// The key in the link file, with dots.
    pub key: &'static str,
    /// Which of several tables of that name, counted from 0.
    pub item: usize,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

macro_rules! ensure {
    ($condition:expr, $key:literal, $($problem:tt)+) => {
        if !$condition {
            return Err(ParameterError { key: $key, item: 0, problem: format!($($problem)+) });
        }
    };
}

impl LinkParameters {
    /// Checks that the parameters make a link.
    ///
    /// # Errors
    /// The first parameter found that does not fit.
    pub fn check(&self) -> Result<(), ParameterError> {
        let frame = &self.frame;
        ensure!(
            (1..=FRAME_MAX).contains(&frame.length),
            "frame.length",
            "{} octets; a transfer frame has 1 to {FRAME_MAX}",
            frame.length
        );
        self.check_sync()?;
        if let Some(rs) = &self.reed_solomon {
            virtual_fill(rs, frame.length)?;
        }
        let bits = frame.frame_type.scid_bits();
        ensure!(
            frame.scid.is_none_or(|scid| u32::from(scid) >> bits == 0),
            "frame.scid",
            "does not fit into {bits} bits"
        );
        ensure!(
            frame.fecf != Fecf::Crc32 || matches!(frame.frame_type, FrameType::Uslp { .. }),
            "frame.fecf",
            "\"crc32\" is for uslp frames; tm and aos have CRC-16 (true)"
        );
        self.check_parts()?;
        self.check_channels()?;
        ensure!(
            (7..=PACKET_MAX).contains(&self.packet.max_length),
            "packet.max_length",
            "{}; 7 to {PACKET_MAX} octets are possible",
            self.packet.max_length
        );
        if let Some(time) = &self.packet.time {
            ensure!(time.offset <= 65535, "packet.time.offset", "{} is beyond any packet", time.offset);
        }
        Ok(())
    }

    fn check_sync(&self) -> Result<(), ParameterError> {
        let Some(sync) = &self.asm else {
            ensure!(
                self.convolutional.is_none(),
                "sync.asm",
                "missing; without a marker no frame can be found behind the convolutional code"
            );
            return Ok(());
        };
        ensure!(
            (1..=32).contains(&sync.asm.len()),
            "sync.asm",
            "{} octets; a marker has 1 to 32",
            sync.asm.len()
        );
        let bits = sync.asm.len() as u32 * 8;
        ensure!(
            sync.max_errors == 0 || sync.max_errors < bits / 4,
            "sync.max_errors",
            "{} of {bits} bits; a quarter or more would find markers in noise",
            sync.max_errors
        );
        ensure!(sync.verify <= MAX_VERIFY, "sync.verify", "{} is more than {MAX_VERIFY} frames", sync.verify);
        ensure!(sync.flywheel <= 1024, "sync.flywheel", "{} is more than 1024 frames", sync.flywheel);
        Ok(())
    }

    /// Header, insert zone, OCF and FECF must leave room for data.
    fn check_parts(&self) -> Result<(), ParameterError> {
        let frame = &self.frame;
        let trailer = frame.fecf.length() + if frame.ocf { OCF_LENGTH } else { 0 };
        let lead = match frame.frame_type {
            FrameType::Tm { secondary_header } => {
                ensure!(
                    frame.insert_zone == 0,
                    "frame.insert_zone",
                    "tm frames have none; their place for such data is the secondary header"
                );
                ensure!(
                    secondary_header == 0 || (2..=SECONDARY_HEADER_MAX).contains(&secondary_header),
                    "frame.secondary_header",
                    "{secondary_header} octets; it has 2 to {SECONDARY_HEADER_MAX}, identification included"
                );
                TmHeader::LENGTH + secondary_header
            }
            FrameType::Aos { scid_bits, header_error_control } => AosLayout {
                scid_bits,
                header_error_control,
                insert_zone: frame.insert_zone,
                ..AosLayout::default()
            }
            .lead(),
            FrameType::Uslp { truncated_length, count_length } => {
                ensure!(count_length <= 7, "frame.vcfc_length", "{count_length}; a count has 0 to 7 octets");
                let least = UslpHeader::TRUNCATED_LENGTH + 1;
                ensure!(
                    truncated_length.is_none_or(|n| (least..=frame.length).contains(&n)),
                    "frame.truncated_length",
                    "must lie between {least} and frame.length"
                );
                UslpHeader::FIXED_LENGTH + usize::from(count_length) + frame.insert_zone + 3
            }
        };
        // A pointer of two octets, and at least one of data.
        let need = lead + trailer + if matches!(frame.frame_type, FrameType::Aos { .. }) { 3 } else { 1 };
        ensure!(
            frame.length >= need,
            "frame.length",
            "{} octets; header, insert zone, OCF and FECF as managed leave no room for data below {need}",
            frame.length
        );
        Ok(())
    }

    fn check_channels(&self) -> Result<(), ParameterError> {
        for i in 0..self.channels.len() {
            self.check_channel(i).map_err(|error| ParameterError { item: i, ..error })?;
        }
        Ok(())
    }

    fn check_channel(&self, i: usize) -> Result<(), ParameterError> {
        let bits = self.frame.frame_type.vcid_bits();
        let aos = matches!(self.frame.frame_type, FrameType::Aos { .. });
        let channel = &self.channels[i];
        ensure!(
            u32::from(channel.vcid) >> bits == 0,
            "vc.id",
            "{} does not fit into {bits} bits",
            channel.vcid
        );
        ensure!(
            !self.channels[..i].iter().any(|other| other.vcid == channel.vcid),
            "vc.id",
            "{} is named twice",
            channel.vcid
        );
        ensure!(
            channel.service != Service::BPdu || aos,
            "vc.service",
            "\"b_pdu\" on channel {}: only aos has the bitstream service",
            channel.vcid
        );
        ensure!(
            tm_or_user_channel(self, channel.vcid),
            "vc.id",
            "{} carries only idle data (the OID channel) and has no service",
            AosHeader::OID_VCID
        );
        Ok(())
    }
}

fn tm_or_user_channel(link: &LinkParameters, vcid: u8) -> bool {
    matches!(link.frame.frame_type, FrameType::Tm { .. }) || vcid != AosHeader::OID_VCID
}

/// Symbols of virtual fill in each codeword: what the frame is short of the code's data.
pub(super) fn virtual_fill(rs: &ReedSolomonParameters, frame_length: usize) -> Result<usize, ParameterError> {
    let key = "coding.reed_solomon";
    let data = CODEWORD_LEN - rs.code.parity_len();
    let whole = data * rs.interleave.max(1);
    let short = whole.checked_sub(frame_length).ok_or_else(|| ParameterError {
        key,
        item: 0,
        problem: format!(
            "a frame of {frame_length} octets does not fit: {} codewords carry {whole}",
            rs.interleave
        ),
    })?;
    if short % rs.interleave.max(1) != 0 {
        let problem = format!(
            "a frame of {frame_length} octets cannot be spread over {} codewords: {whole} less the virtual fill, \
             a multiple of {}, is needed",
            rs.interleave, rs.interleave
        );
        return Err(ParameterError { key, item: 0, problem });
    }
    let fill = short / rs.interleave.max(1);
    ReedSolomon::new(rs.code, rs.basis, rs.interleave, fill).map(|_| fill).map_err(|error| ParameterError {
        key,
        item: 0,
        problem: error.to_string(),
    })
}

impl ReedSolomonParameters {
    /// The codec for frames of this length.
    pub(crate) fn codec(&self, frame_length: usize) -> Result<ReedSolomon, ParameterError> {
        let fill = virtual_fill(self, frame_length)?;
        ReedSolomon::new(self.code, self.basis, self.interleave, fill).map_err(|error| ParameterError {
            key: "coding.reed_solomon",
            item: 0,
            problem: error.to_string(),
        })
    }
}
