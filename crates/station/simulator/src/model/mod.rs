//! PerigeeSat: a three-axis stabilised satellite of some sixty kilograms in a sun-synchronous orbit, with two
//! solar wings, a lithium-ion battery, four reaction wheels and an imaging spectrometer.
//!
//! The model is pure: from a seed, an epoch and the steps it was given follow every state and every value of
//! its noise. It is simple physics with honest balances, meant for people to look at and for tests to rely on;
//! it is no design tool.

pub mod anomaly;
pub mod attitude;
pub mod obc;
pub mod orbit;
pub mod payload;
pub mod power;
pub mod radio;
pub mod thermal;

use anomaly::{Anomalies, Anomaly, Schedule};
use attitude::{Attitude, PointingMode};
use obc::{Event, Obc};
use orbit::Orbit;
use payload::{Payload, PayloadMode};
use power::{Loads, Power};
use radio::Radio;
use thermal::{Dissipation, Node, Thermal};

/// The longest step that the slower models take at once, in seconds.
const LONGEST_STEP: f64 = 1.0;

/// The failure detection switches the star tracker's heater off when it is this warm, degrees Celsius.
const HEATER_FOUND_STUCK: f64 = 49.0;

/// Noise of the sensors; the same seed gives the same noise.
#[derive(Clone, Debug)]
pub struct Noise(fastrand::Rng);

impl Noise {
    /// Noise from a seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A value from a normal distribution with mean 0 (Box and Muller).
    pub fn normal(&mut self, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
        deviation * radius * (std::f64::consts::TAU * self.0.f64()).cos()
    }

    /// A value evenly distributed from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0.f64()
    }
}

/// The whole satellite.
#[derive(Clone, Debug)]
pub struct Satellite {
    /// Seconds of simulated time since the epoch.
    pub elapsed: f64,
    /// Where it is.
    pub orbit: Orbit,
    /// Where it looks.
    pub attitude: Attitude,
    /// What it lives on.
    pub power: Power,
    /// How warm it is.
    pub thermal: Thermal,
    /// What it is there for.
    pub payload: Payload,
    /// How it speaks.
    pub radio: Radio,
    /// What it thinks with.
    pub obc: Obc,
    /// What is wrong with it.
    pub anomalies: Anomalies,
    noise: Noise,
}

impl Satellite {
    /// A satellite at `epoch` (seconds of Unix time), shortly before it leaves the Earth's shadow.
    pub fn new(seed: u64, epoch: f64, schedule: Schedule) -> Self {
        let mut noise = Noise::new(seed);
        let orbit = Orbit::before_sunrise(epoch, 240.0);
        let boots = 17 + (noise.uniform() * 20.0) as u16;
        Self {
            elapsed: 0.0,
            attitude: Attitude::nadir(&orbit),
            orbit,
            power: Power::new(0.74),
            thermal: Thermal::new(),
            payload: Payload::default(),
            radio: Radio::default(),
            obc: Obc::new(boots),
            anomalies: Anomalies::new(schedule, noise.uniform()),
            noise,
        }
    }

    /// Lets `seconds` of simulated time pass, while `clock` seconds pass on the ground. Anomalies keep to the
    /// clock, everything else to simulated time.
    pub fn step(&mut self, seconds: f64, clock: f64) {
        if let Some(change) = self.anomalies.step(clock) {
            self.obc.log(change);
        }
        if self.thermal.of(Node::StarTracker) > HEATER_FOUND_STUCK {
            self.anomalies.resolve(Anomaly::HeaterStuck);
        }
        let mut left = seconds;
        while left > 0.0 {
            let dt = left.min(LONGEST_STEP);
            self.advance(dt);
            left -= dt;
        }
        self.power.measure(self.anomalies.active(Anomaly::BatteryCell), &mut self.noise);
        self.attitude.measure(&self.orbit, &mut self.noise);
        self.thermal.measure(&mut self.noise);
        self.radio.measure(&mut self.noise);
        self.payload.measure(&self.orbit, &mut self.noise);
    }

    fn advance(&mut self, dt: f64) {
        self.elapsed += dt;
        let was_lit = self.orbit.sunlight > 0.5;
        self.orbit.advance(dt);
        let lit = self.orbit.sunlight > 0.5;
        if lit != was_lit {
            self.obc.log(if lit { Event::Sunrise } else { Event::Sunset });
        }

        let safe = self.power.state_of_charge < if self.obc.safe { 0.5 } else { 0.3 };
        if safe != self.obc.safe {
            self.obc.safe = safe;
            self.obc.log(if safe { Event::SafeModeEntered } else { Event::SafeModeLeft });
        }
        let mode = self.payload.plan(&self.orbit, safe);
        if mode != self.payload.mode {
            self.payload.mode = mode;
            self.obc.log(match mode {
                PayloadMode::Imaging => Event::ImagingStarted,
                PayloadMode::Off => Event::PayloadOff,
                _ => Event::ImagingEnded,
            });
        }
        let pointing = match (safe, mode) {
            (true, _) => PointingMode::Sun,
            (false, PayloadMode::Imaging) => PointingMode::Target,
            (false, _) => PointingMode::Nadir,
        };
        let friction = if self.anomalies.active(Anomaly::WheelFriction) { 6.0 } else { 1.0 };
        self.attitude.advance(dt, pointing, friction, &self.orbit);
        self.payload.advance(dt);
        self.radio.advance(dt, &self.orbit, self.obc.safe);
        let heater_stuck = self.anomalies.active(Anomaly::HeaterStuck);
        let loads = Loads {
            obc: 9.0 + 4.0 * self.obc.cpu_load,
            radio: self.radio.consumption(),
            payload: self.payload.consumption(),
            wheels: self.attitude.wheel_consumption(),
            heaters: self.thermal.heater_consumption(),
        };
        let incidence = self.attitude.wing_incidence(&self.orbit);
        self.power.advance(dt, self.orbit.sunlight * incidence, self.thermal.wing_temperature(), &loads);
        let dissipation = Dissipation {
            battery: self.power.battery_loss(),
            obc: loads.obc,
            radio: self.radio.dissipation(),
            payload: loads.payload,
            wheels: loads.wheels,
            electronics: 0.08 * loads.total(),
        };
        let sun = self.attitude.to_body(self.orbit.sun) * self.orbit.sunlight;
        self.thermal.advance(dt, sun, incidence * self.orbit.sunlight, &dissipation, heater_stuck);
        self.obc.advance(dt, mode, &self.orbit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: f64 = 1_795_392_000.0;

    #[test]
    fn the_same_seed_gives_the_same_flight() {
        let fly = |seed| {
            let mut satellite =
                Satellite::new(seed, EPOCH, Schedule { first: 10.0, every: Some(60.0), only: None });
            (0..600).for_each(|_| satellite.step(1.0, 0.1));
            format!("{satellite:?}")
        };
        assert_eq!(fly(1), fly(1));
        assert_ne!(fly(1), fly(2));
    }

    #[test]
    fn a_day_in_orbit_is_lived_through() {
        let mut satellite = Satellite::new(7, EPOCH, Schedule::NEVER);
        let (mut lowest, mut highest) = (1.0_f64, 0.0_f64);
        let mut nights = 0;
        for _ in 0..86_400 {
            satellite.step(1.0, 1.0);
            lowest = lowest.min(satellite.power.state_of_charge);
            highest = highest.max(satellite.power.state_of_charge);
            while let Some(event) = satellite.obc.next_event() {
                nights += u32::from(event == Event::Sunset);
            }
        }
        println!("charge {lowest:.3} to {highest:.3}, {nights} nights, {:?}", satellite.thermal.temperatures);
        assert!(lowest > 0.5, "down to {lowest}");
        assert!(highest > 0.85, "never more than {highest}");
        assert!((14..=16).contains(&nights), "{nights} nights");
        assert!(!satellite.obc.safe);
    }
}
