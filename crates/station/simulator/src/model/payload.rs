//! The instrument: an imaging spectrometer that looks where there is light and stores what it sees.

use super::Noise;
use super::orbit::Orbit;

/// Channels of the spectrum.
pub const CHANNELS: usize = 32;
/// Octets of the instrument's memory.
pub const STORE_MAX: f64 = 8e9;
/// Octets a second while imaging, and while sending to the ground.
const IMAGING_RATE: f64 = 4.2e6;
const DOWNLINK_RATE: f64 = 6.5e6;

/// What the instrument does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum PayloadMode {
    /// No power.
    Off = 0,
    /// Ready.
    #[default]
    Standby = 1,
    /// Looks and stores.
    Imaging = 3,
    /// Sends what it has stored.
    Downlink = 4,
}

/// The instrument.
#[derive(Clone, Debug)]
pub struct Payload {
    /// What it does.
    pub mode: PayloadMode,
    /// Octets stored.
    pub stored: f64,
    /// Frames taken since it was switched on.
    pub frames: u32,
    /// Exposure time, milliseconds.
    pub exposure: f64,
    /// Whether the shutter is open.
    pub shutter_open: bool,
    /// Turns of the cooler's compressor, Hz.
    pub cooler_rate: f64,
    /// The latest spectrum, counts.
    pub spectrum: [u16; CHANNELS],
    /// Voltage and current of its supply.
    pub supply: (f64, f64),
    fractional_frames: f64,
}

impl Default for Payload {
    fn default() -> Self {
        Self {
            mode: PayloadMode::Standby,
            stored: 2.1e9,
            frames: 0,
            exposure: 12.0,
            shutter_open: false,
            cooler_rate: 45.0,
            spectrum: [0; CHANNELS],
            supply: (5.0, 0.0),
            fractional_frames: 0.0,
        }
    }
}

impl Payload {
    /// What it should do here.
    pub fn plan(&self, orbit: &Orbit, safe: bool) -> PayloadMode {
        if safe {
            PayloadMode::Off
        } else if orbit.sunlight > 0.99 && orbit.latitude.abs() < 52.0 && self.stored < 0.95 * STORE_MAX {
            PayloadMode::Imaging
        } else if orbit.latitude.abs() > 64.0 && self.stored > 1e8 {
            // The polar stations take the data.
            PayloadMode::Downlink
        } else {
            PayloadMode::Standby
        }
    }

    /// W that it takes.
    pub fn consumption(&self) -> f64 {
        match self.mode {
            PayloadMode::Off => 0.0,
            PayloadMode::Standby => 6.5,
            PayloadMode::Imaging => 24.0,
            PayloadMode::Downlink => 10.0,
        }
    }

    pub(super) fn advance(&mut self, dt: f64) {
        match self.mode {
            PayloadMode::Imaging => {
                self.stored = (self.stored + IMAGING_RATE * dt).min(STORE_MAX);
                self.fractional_frames += 25.0 * dt;
            }
            PayloadMode::Downlink => self.stored = (self.stored - DOWNLINK_RATE * dt).max(0.0),
            PayloadMode::Off => self.fractional_frames = 0.0,
            PayloadMode::Standby => {}
        }
        self.frames = self.fractional_frames as u32;
        self.shutter_open = self.mode == PayloadMode::Imaging;
        let cooling = if self.mode == PayloadMode::Off { 0.0 } else { 45.0 };
        self.cooler_rate += (cooling - self.cooler_rate) * (dt / 20.0).min(1.0);
    }

    /// The spectrum of what lies below: sunlight on sea, land or cloud, with the air's absorption lines.
    pub(super) fn measure(&mut self, orbit: &Orbit, noise: &mut Noise) {
        let watts = self.consumption();
        let voltage = if watts > 0.0 { 5.0 + noise.normal(0.006) } else { 0.0 };
        self.supply = (voltage, if watts > 0.0 { watts / 5.0 + noise.normal(0.01).abs() } else { 0.0 });
        let (latitude, longitude) = (orbit.latitude.to_radians(), orbit.longitude.to_radians());
        let cloud =
            0.5 + 0.5 * (5.0 * longitude + 3.0 * (4.0 * latitude).sin()).sin() * (7.0 * latitude).cos();
        let land = (0.5 + (3.0 * longitude).sin() * (2.0 * latitude + 0.6).cos()).clamp(0.0, 1.0);
        let height = (-orbit.position.normalize()).dot(-orbit.sun).max(0.0);
        for (channel, counts) in self.spectrum.iter_mut().enumerate() {
            // 400 to 1000 nm.
            let wavelength = 400.0 + 600.0 * channel as f64 / (CHANNELS - 1) as f64;
            let black_body = (-((wavelength - 560.0) / 330.0).powi(2)).exp();
            let vegetation = 0.06 + 0.4 / (1.0 + (-(wavelength - 710.0) / 12.0).exp());
            let sea = 0.09 * (-((wavelength - 420.0) / 130.0).powi(2)).exp() + 0.01;
            let ground = land * vegetation + (1.0 - land) * sea;
            let albedo = cloud * 0.65 + (1.0 - cloud) * ground;
            let line = |centre: f64, width: f64, depth: f64| {
                1.0 - depth * (-((wavelength - centre) / width).powi(2)).exp()
            };
            let air = line(761.0, 9.0, 0.6) * line(936.0, 24.0, 0.5) * line(687.0, 8.0, 0.25);
            let light = if self.shutter_open { 52_000.0 * height * black_body * albedo * air } else { 0.0 };
            let dark = if self.mode == PayloadMode::Off { 0.0 } else { 310.0 + noise.normal(6.0) };
            let signal = light + dark + noise.normal((light + 1.0).sqrt() * 0.7);
            *counts = signal.clamp(0.0, 65_535.0) as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_fills_and_drains_within_its_size() {
        let mut payload = Payload { mode: PayloadMode::Imaging, ..Payload::default() };
        (0..10_000).for_each(|_| payload.advance(1.0));
        assert!((payload.stored - STORE_MAX).abs() < 1.0);
        payload.mode = PayloadMode::Downlink;
        (0..10_000).for_each(|_| payload.advance(1.0));
        assert_eq!(payload.stored, 0.0);
    }

    #[test]
    fn oxygen_leaves_a_dip_in_the_spectrum() {
        let mut orbit = Orbit::before_sunrise(1_795_392_000.0, 0.0);
        while orbit.latitude.abs() > 20.0 || orbit.sunlight < 1.0 {
            orbit.advance(10.0);
        }
        let mut payload = Payload { mode: PayloadMode::Imaging, ..Payload::default() };
        payload.advance(1.0);
        payload.measure(&orbit, &mut Noise::new(3));
        let [before, inside, behind] = [18, 19, 21].map(|channel| payload.spectrum[channel]);
        assert!(inside < before && inside < behind, "{:?}", payload.spectrum);
    }
}
