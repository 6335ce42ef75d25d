//! The satellite's transmitter and the channel: packets to coded frames, and the errors on the way.

use perigee_ccsds::frame::Clcw;
use perigee_ccsds::link::{LinkParameters, ParameterError};
use perigee_ccsds::send::{SendError, Sender};

use crate::model::radio::Radio;

/// Flips channel bits at random; the same seed flips the same bits.
#[derive(Clone, Debug)]
pub struct BitErrors {
    rate: f64,
    random: fastrand::Rng,
    /// Bits until the next error.
    until_next: u64,
}

impl BitErrors {
    /// Errors at this rate, 0 to 1.
    pub fn new(rate: f64, seed: u64) -> Self {
        let mut errors = Self { rate, random: fastrand::Rng::with_seed(seed), until_next: 0 };
        errors.until_next = errors.gap();
        errors
    }

    /// Bits that stay right before the next wrong one: geometrically distributed, so that the work is that of the
    /// errors and not of the bits.
    fn gap(&mut self) -> u64 {
        if self.rate <= 0.0 {
            return u64::MAX;
        }
        ((-self.random.f64()).ln_1p() / (-self.rate.min(0.5)).ln_1p()) as u64
    }

    /// Sends octets through the channel.
    pub fn apply(&mut self, octets: &mut [u8]) {
        let bits = octets.len() as u64 * 8;
        while self.until_next < bits {
            octets[(self.until_next / 8) as usize] ^= 0x80 >> (self.until_next % 8);
            self.until_next = self.until_next.saturating_add(1).saturating_add(self.gap());
        }
        if self.until_next != u64::MAX {
            self.until_next -= bits;
        }
    }
}

/// Frames, code and channel.
#[derive(Clone, Debug)]
pub struct Transmitter {
    sender: Sender,
    errors: BitErrors,
    /// Packets that found no room.
    pub lost: u64,
}

impl Transmitter {
    /// A transmitter for this link.
    ///
    /// # Errors
    /// The parameters make no link.
    pub fn new(link: &LinkParameters, errors: BitErrors) -> Result<Self, ParameterError> {
        Ok(Self { sender: Sender::new(link)?, errors, lost: 0 })
    }

    /// Queues a packet; one for which there is no room is lost, and counted.
    pub fn packet(&mut self, channel: u8, octets: &[u8]) {
        match self.sender.push_packet(channel, octets) {
            Ok(()) => {}
            Err(SendError::QueueFull { .. }) => self.lost += 1,
            // The flight software makes whole packets for channels that exist.
            Err(error) => debug_assert!(false, "{error}"),
        }
    }

    /// Whether the next frame will be full.
    pub fn frame_ready(&self) -> bool {
        self.sender.frame_ready()
    }

    /// Appends the symbols of the next frame as they come out of the channel.
    pub fn frame(&mut self, radio: &Radio, out: &mut Vec<u8>) {
        self.sender.set_ocf(clcw(radio));
        let before = out.len();
        self.sender.poll_transmit(out);
        self.errors.apply(&mut out[before..]);
    }
}

/// What the receiver on board reports to the ground.
fn clcw(radio: &Radio) -> [u8; 4] {
    let word = Clcw {
        cop: 1,
        no_rf_available: !radio.carrier_lock(),
        no_bit_lock: !radio.bit_lock(),
        farm_b: (radio.frames_received & 3) as u8,
        report_value: radio.frames_received as u8,
        ..Clcw::default()
    };
    // Every field is within its bits.
    word.to_octets().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_at_their_rate_however_the_octets_are_cut() {
        let count = |chunk: usize| {
            let mut errors = BitErrors::new(1e-3, 5);
            let mut octets = vec![0u8; 100_000];
            octets.chunks_mut(chunk).for_each(|part| errors.apply(part));
            octets
        };
        let all = count(100_000);
        assert_eq!(all, count(7));
        let wrong: u32 = all.iter().map(|octet| octet.count_ones()).sum();
        assert!((700..900).contains(&wrong), "{wrong} of 800,000 bits are wrong");
    }

    #[test]
    fn no_errors_without_a_rate() {
        let mut octets = vec![0u8; 100_000];
        BitErrors::new(0.0, 5).apply(&mut octets);
        assert!(octets.iter().all(|octet| *octet == 0));
    }
}
