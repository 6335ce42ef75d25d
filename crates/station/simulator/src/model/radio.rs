//! The radio: one transmitter, one receiver, and a ground station that moves nearer and farther.

use super::Noise;
use super::orbit::Orbit;

/// Seconds from one closest approach to the next.
const PASS_PERIOD: f64 = 1400.0;

/// The radio.
#[derive(Clone, Debug)]
pub struct Radio {
    /// Radiated power, dBm.
    pub transmit_power: f64,
    /// Power reflected by the antenna, dBm.
    pub reflected_power: f64,
    /// Strength of the uplink, dBm.
    pub uplink_strength: f64,
    /// Eb/N0 of the uplink, dB.
    pub uplink_eb_n0: f64,
    /// Offset of the uplink's carrier, Hz.
    pub uplink_offset: f64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Telecommand frames received.
    pub frames_received: u32,
    low_power: bool,
    since_start: f64,
    strength: f64,
}

impl Default for Radio {
    fn default() -> Self {
        Self {
            transmit_power: 33.0,
            reflected_power: 14.0,
            uplink_strength: -95.0,
            uplink_eb_n0: 14.0,
            uplink_offset: 0.0,
            frames_sent: 0,
            frames_received: 120,
            low_power: false,
            since_start: 0.0,
            strength: -95.0,
        }
    }
}

impl Radio {
    /// W that it takes: the receiver always, the transmitter with some 30 % efficiency.
    pub fn consumption(&self) -> f64 {
        3.2 + self.radiated() / 0.3
    }

    /// W that stay in the amplifier as heat.
    pub fn dissipation(&self) -> f64 {
        self.consumption() - self.radiated()
    }

    /// Whether the receiver follows the uplink's carrier.
    pub fn carrier_lock(&self) -> bool {
        self.uplink_strength > -118.0
    }

    /// Whether it finds bits in it.
    pub fn bit_lock(&self) -> bool {
        self.uplink_eb_n0 > 6.0
    }

    fn radiated(&self) -> f64 {
        if self.low_power { 1.0 } else { 2.0 }
    }

    pub(super) fn advance(&mut self, dt: f64, orbit: &Orbit, safe: bool) {
        self.low_power = safe;
        self.since_start += dt;
        // A ground track 400 km aside, as if a station were always in view.
        let along = ((self.since_start / PASS_PERIOD).fract() - 0.5) * PASS_PERIOD * 0.8;
        let speed = orbit.velocity.length();
        let range = (orbit.altitude.powi(2) + 400.0_f64.powi(2) + (along * speed * 0.45).powi(2)).sqrt();
        self.strength = -88.0 - 20.0 * (range / 680.0).log10();
        let range_rate = (along * speed * 0.45) / range * speed * 0.45;
        self.uplink_offset = -range_rate / 299_792.458 * 2.06e9;
    }

    pub(super) fn measure(&mut self, noise: &mut Noise) {
        self.transmit_power = 10.0 * (self.radiated() * 1000.0).log10() + noise.normal(0.03);
        self.reflected_power = self.transmit_power - 18.5 + noise.normal(0.1);
        self.uplink_strength = self.strength + noise.normal(0.4);
        self.uplink_eb_n0 = self.uplink_strength + 111.0;
        self.uplink_offset += noise.normal(15.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uplink_holds_through_a_whole_approach() {
        let orbit = Orbit::new(1_795_392_000.0, 0.0);
        let mut radio = Radio::default();
        for _ in 0..2800 {
            radio.advance(1.0, &orbit, false);
            assert!((-110.0..-80.0).contains(&radio.strength), "{} dBm", radio.strength);
            assert!(radio.uplink_offset.abs() < 60_000.0);
        }
    }
}
