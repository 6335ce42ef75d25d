//! Heat: lumped nodes that conduct to the structure, radiate to space and take in sunlight, the Earth's warmth
//! and what the equipment dissipates; thermostats with heaters where it must not get cold.

use glam::DVec3;

use super::Noise;

/// Stefan-Boltzmann constant, W/(m² K⁴).
const SIGMA: f64 = 5.670_374e-8;
/// Solar constant, W/m².
const SUN: f64 = 1361.0;
/// Infrared light of the Earth and what it reflects, averaged over a low orbit, W/m².
const EARTH: f64 = 190.0;
const ZERO_CELSIUS: f64 = 273.15;

/// The nodes, in the order of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Node {
    /// Frame and panels' inside.
    Structure,
    /// Battery pack.
    Battery,
    /// On-board computer.
    Obc,
    /// Power conditioning.
    Electronics,
    /// Transmitter's power amplifier.
    Transmitter,
    /// The instrument's optics.
    Optics,
    /// The instrument's detector, on a radiator of its own.
    Detector,
    /// Bracket of the reaction wheels.
    Wheels,
    /// Star tracker.
    StarTracker,
    /// Panel +X.
    PanelPlusX,
    /// Panel -X.
    PanelMinusX,
    /// Panel +Y.
    PanelPlusY,
    /// Panel -Y.
    PanelMinusY,
    /// Panel -Z, to the sky.
    PanelMinusZ,
    /// Wing +Y.
    WingPlusY,
    /// Wing -Y.
    WingMinusY,
}

/// How many nodes there are.
pub const NODES: usize = 16;

/// A node's properties.
struct Properties {
    /// J/K.
    capacity: f64,
    /// W/K to the structure.
    conductance: f64,
    /// Area times emissivity, m².
    radiating: f64,
    /// Area times absorptivity, m², and the outward normal where a face sees the Sun.
    absorbing: f64,
    normal: DVec3,
    /// Area times emissivity that sees the Earth, m².
    earthward: f64,
}

const fn inside(capacity: f64, conductance: f64) -> Properties {
    Properties { capacity, conductance, radiating: 0.0, absorbing: 0.0, normal: DVec3::ZERO, earthward: 0.0 }
}

const fn panel(normal: DVec3, earthward: f64) -> Properties {
    Properties { capacity: 2600.0, conductance: 0.9, radiating: 0.08, absorbing: 0.055, normal, earthward }
}

const fn wing() -> Properties {
    Properties {
        capacity: 3200.0,
        conductance: 0.02,
        radiating: 0.86,
        absorbing: 0.38,
        normal: DVec3::ZERO,
        earthward: 0.24,
    }
}

const PROPERTIES: [Properties; NODES] = [
    inside(14_000.0, 0.0),
    inside(2400.0, 0.35),
    inside(900.0, 0.9),
    inside(1400.0, 1.2),
    inside(500.0, 1.1),
    inside(1800.0, 0.6),
    Properties {
        capacity: 260.0,
        conductance: 0.03,
        radiating: 0.021,
        absorbing: 0.0,
        normal: DVec3::ZERO,
        earthward: 0.0,
    },
    inside(2100.0, 0.8),
    inside(420.0, 0.2),
    panel(DVec3::X, 0.05),
    panel(DVec3::NEG_X, 0.05),
    panel(DVec3::Y, 0.05),
    panel(DVec3::NEG_Y, 0.05),
    panel(DVec3::NEG_Z, 0.0),
    wing(),
    wing(),
];

/// A heater and its thermostat: node, W, switches on below, off above (degrees Celsius).
const HEATERS: [(Node, f64, f64, f64); 4] = [
    (Node::Battery, 8.0, 12.0, 15.0),
    (Node::Optics, 6.0, 14.0, 15.0),
    (Node::StarTracker, 3.0, 4.0, 7.0),
    (Node::Detector, 2.5, -32.0, -30.0),
];

/// The heater that sticks: the star tracker's, whose small mass shows it soon.
const STUCK: usize = 2;

/// Watts that the equipment turns into heat.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dissipation {
    /// Battery.
    pub battery: f64,
    /// On-board computer.
    pub obc: f64,
    /// Power amplifier.
    pub radio: f64,
    /// Instrument.
    pub payload: f64,
    /// Wheels.
    pub wheels: f64,
    /// Converters.
    pub electronics: f64,
}

/// The thermal subsystem.
#[derive(Clone, Debug)]
pub struct Thermal {
    /// Temperatures of the nodes, degrees Celsius.
    pub temperatures: [f64; NODES],
    /// What the thermistors say.
    pub measured: [f64; NODES],
    /// Which heaters are on.
    pub heaters: [bool; HEATERS.len()],
}

impl Thermal {
    /// Everything near the temperatures of a quiet orbit, at the end of a night.
    pub fn new() -> Self {
        let temperatures = [
            13.0, 15.0, 24.0, 18.0, 30.0, 15.0, -30.0, 17.0, 8.0, -12.0, -12.0, -14.0, -16.0, -22.0, -62.0,
            -62.0,
        ];
        Self { temperatures, measured: temperatures, heaters: [false; HEATERS.len()] }
    }

    /// A node's temperature, degrees Celsius.
    pub fn of(&self, node: Node) -> f64 {
        self.temperatures[node as usize]
    }

    /// Mean temperature of the wings, degrees Celsius.
    pub fn wing_temperature(&self) -> f64 {
        f64::midpoint(self.of(Node::WingPlusY), self.of(Node::WingMinusY))
    }

    /// W that the heaters take.
    pub fn heater_consumption(&self) -> f64 {
        self.heaters.iter().zip(HEATERS).map(|(&on, (_, watts, ..))| if on { watts } else { 0.0 }).sum()
    }

    /// Lets at most a second pass: `sun` in body axes, as long as the sunlight is strong; `wings` the share that
    /// falls on them.
    pub fn advance(
        &mut self,
        dt: f64,
        sun: DVec3,
        wings: f64,
        dissipation: &Dissipation,
        heater_stuck: bool,
    ) {
        self.switch(heater_stuck);
        let mut heat = [0.0; NODES];
        for (node, watts) in [
            (Node::Battery, dissipation.battery),
            (Node::Obc, dissipation.obc),
            (Node::Electronics, dissipation.electronics),
            (Node::Transmitter, dissipation.radio),
            (Node::Optics, dissipation.payload * 0.3),
            (Node::Structure, dissipation.payload * 0.65),
            (Node::Detector, dissipation.payload * 0.05),
            (Node::Wheels, dissipation.wheels),
        ] {
            heat[node as usize] += watts;
        }
        for (&on, (node, watts, ..)) in self.heaters.iter().zip(HEATERS) {
            // The stuck heater's driver is bypassed too: it gives eight times its rated power.
            let excess = if heater_stuck && node == HEATERS[STUCK].0 { 8.0 } else { 1.0 };
            heat[node as usize] += if on { watts * excess } else { 0.0 };
        }
        let structure = self.temperatures[Node::Structure as usize];
        let mut into_structure = 0.0;
        for (index, node) in PROPERTIES.iter().enumerate() {
            let kelvin = self.temperatures[index] + ZERO_CELSIUS;
            let is_wing = index >= Node::WingPlusY as usize;
            let facing = if is_wing { wings } else { node.normal.dot(sun).max(0.0) };
            heat[index] += SUN * node.absorbing * facing + EARTH * node.earthward;
            heat[index] -= SIGMA * node.radiating * kelvin.powi(4);
            let conducted = node.conductance * (self.temperatures[index] - structure);
            heat[index] -= conducted;
            into_structure += conducted;
        }
        heat[Node::Structure as usize] += into_structure;
        for ((temperature, node), watts) in self.temperatures.iter_mut().zip(&PROPERTIES).zip(heat) {
            *temperature += watts / node.capacity * dt;
        }
    }

    fn switch(&mut self, heater_stuck: bool) {
        for (index, (heater, (node, _, below, above))) in self.heaters.iter_mut().zip(HEATERS).enumerate() {
            let temperature = self.temperatures[node as usize];
            *heater =
                (heater_stuck && index == STUCK) || temperature < below || (*heater && temperature < above);
        }
    }

    /// What the thermistors say now.
    pub fn measure(&mut self, noise: &mut Noise) {
        for (measured, temperature) in self.measured.iter_mut().zip(self.temperatures) {
            *measured = temperature + noise.normal(0.05);
        }
    }
}

impl Default for Thermal {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Dissipation =
        Dissipation { battery: 1.0, obc: 11.0, radio: 14.0, payload: 12.0, wheels: 5.0, electronics: 5.0 };

    #[test]
    fn days_and_nights_keep_everything_alive() {
        let mut thermal = Thermal::new();
        for second in 0..6 * 5730u32 {
            let lit = f64::from(u8::from(second % 5730 > 2100));
            let angle = f64::from(second) / 5730.0 * std::f64::consts::TAU;
            let sun = DVec3::new(angle.sin(), 0.35, -angle.cos()).normalize() * lit;
            thermal.advance(1.0, sun, lit, &BUSY, false);
        }
        for (node, low, high) in [
            (Node::Structure, 0.0, 35.0),
            (Node::Battery, 8.0, 35.0),
            (Node::Obc, 10.0, 50.0),
            (Node::Transmitter, 10.0, 60.0),
            (Node::Detector, -45.0, -15.0),
            (Node::StarTracker, -5.0, 30.0),
        ] {
            let now = thermal.of(node);
            assert!((low..high).contains(&now), "{node:?} at {now}");
        }
    }

    #[test]
    fn without_any_source_everything_cools_and_nothing_diverges() {
        let mut thermal = Thermal::new();
        let warmest = |thermal: &Thermal| thermal.temperatures.iter().copied().fold(f64::MIN, f64::max);
        let begun = warmest(&thermal);
        for _ in 0..40_000 {
            thermal.advance(1.0, DVec3::ZERO, 0.0, &Dissipation::default(), false);
        }
        assert!(warmest(&thermal) < begun);
        assert!(
            thermal.temperatures.iter().all(|t| (-150.0..60.0).contains(t)),
            "{:?}",
            thermal.temperatures
        );
    }

    #[test]
    fn a_stuck_heater_shows_within_minutes() {
        let mut thermal = Thermal::new();
        let before = thermal.of(Node::StarTracker);
        for _ in 0..300 {
            thermal.advance(1.0, DVec3::ZERO, 0.0, &BUSY, true);
        }
        assert!(thermal.of(Node::StarTracker) > before + 5.0);
    }
}
