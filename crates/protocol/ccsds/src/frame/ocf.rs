//! The operational control field (132.0-B-3 §4.1.5) and the communications link control word in it
//! (232.0-B-4 §4.2.1).

use super::{FrameError, fits};

/// Octets of the operational control field.
pub const OCF_LENGTH: usize = 4;

/// What an operational control field carries, told apart by its first bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationalControl {
    /// Type 1: a communications link control word.
    Clcw(Clcw),
    /// Type 2: 31 bits of the mission's own, or of SDLS.
    Type2(u32),
}

impl OperationalControl {
    /// Reads the field. Every value is legal.
    #[must_use]
    pub const fn parse(octets: [u8; OCF_LENGTH]) -> Self {
        let word = u32::from_be_bytes(octets);
        if word >> 31 == 0 { Self::Clcw(Clcw::from_word(word)) } else { Self::Type2(word & 0x7FFF_FFFF) }
    }
}

/// Communications link control word: what FARM-1 on board reports to FOP-1 on the ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clcw {
    /// CLCW version number, 2 bits, 0.
    pub version: u8,
    /// Status field, 3 bits, for the mission.
    pub status: u8,
    /// COP in effect, 2 bits, 1 for COP-1.
    pub cop: u8,
    /// Virtual channel of the uplink, 6 bits.
    pub vcid: u8,
    /// Two reserved spare bits, kept so that the word round-trips.
    pub spare: u8,
    /// No RF available.
    pub no_rf_available: bool,
    /// No bit lock.
    pub no_bit_lock: bool,
    /// FARM-1 is in lockout.
    pub lockout: bool,
    /// FARM-1 waits for buffer space.
    pub wait: bool,
    /// FARM-1 asks for retransmission.
    pub retransmit: bool,
    /// FARM-B counter, 2 bits.
    pub farm_b: u8,
    /// One reserved spare bit.
    pub spare_bit: bool,
    /// Next expected frame sequence number, V(R).
    pub report_value: u8,
}

impl Clcw {
    const fn from_word(word: u32) -> Self {
        Self {
            version: (word >> 29 & 3) as u8,
            status: (word >> 26 & 7) as u8,
            cop: (word >> 24 & 3) as u8,
            vcid: (word >> 18 & 0x3F) as u8,
            spare: (word >> 16 & 3) as u8,
            no_rf_available: word >> 15 & 1 != 0,
            no_bit_lock: word >> 14 & 1 != 0,
            lockout: word >> 13 & 1 != 0,
            wait: word >> 12 & 1 != 0,
            retransmit: word >> 11 & 1 != 0,
            farm_b: (word >> 9 & 3) as u8,
            spare_bit: word >> 8 & 1 != 0,
            report_value: word as u8,
        }
    }

    /// The four octets of this word.
    ///
    /// # Errors
    /// A field holds more than its bits.
    pub fn to_octets(&self) -> Result<[u8; OCF_LENGTH], FrameError> {
        fits("CLCW version", self.version.into(), 2)?;
        fits("status", self.status.into(), 3)?;
        fits("COP in effect", self.cop.into(), 2)?;
        fits("vcid", self.vcid.into(), 6)?;
        fits("spare", self.spare.into(), 2)?;
        fits("FARM-B counter", self.farm_b.into(), 2)?;
        let flag = |set: bool, bit: u32| u32::from(set) << bit;
        let word = u32::from(self.version) << 29
            | u32::from(self.status) << 26
            | u32::from(self.cop) << 24
            | u32::from(self.vcid) << 18
            | u32::from(self.spare) << 16
            | flag(self.no_rf_available, 15)
            | flag(self.no_bit_lock, 14)
            | flag(self.lockout, 13)
            | flag(self.wait, 12)
            | flag(self.retransmit, 11)
            | u32::from(self.farm_b) << 9
            | flag(self.spare_bit, 8)
            | u32::from(self.report_value);
        Ok(word.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_clcw_round_trips() {
        for bit in 0..31 {
            let octets = (1u32 << bit | 0x0100_0000).to_be_bytes();
            let OperationalControl::Clcw(clcw) = OperationalControl::parse(octets) else {
                panic!("bit {bit}: type 1 expected")
            };
            assert_eq!(clcw.to_octets().unwrap(), octets, "bit {bit}");
        }
        assert_eq!(OperationalControl::parse([0x80, 0, 0, 7]), OperationalControl::Type2(7));
    }
}
