//! The satellite in flight: time in, packets or coded frames out. No clock, no socket.
//!
//! Times are nanoseconds of the Unix epoch and never go backwards.

use perigee_ccsds::link::ParameterError;

use crate::config::{Config, link_parameters};
use crate::flight::{Flight, KINDS, OnBoardTime};
use crate::model::Satellite;
use crate::model::anomaly::Schedule;
use crate::transmitter::{BitErrors, Transmitter};

/// The model is not stepped more often than this; a load test sends the same values more than once.
const SHORTEST_STEP: i64 = 10_000_000;

/// The simulation never makes up for more time than this.
const CATCH_UP_MAX: i64 = 2_000_000_000;

/// The satellite and its flight software.
#[derive(Clone, Debug)]
pub struct Spacecraft {
    /// The model.
    pub satellite: Satellite,
    flight: Flight,
    speed: f64,
    /// Nanoseconds between two packets.
    interval: f64,
    stepped: i64,
    /// When the next packet is due, and of which kind it is.
    due: f64,
    next_kind: usize,
}

impl Spacecraft {
    /// A flight that begins at `start`.
    pub fn new(config: &Config, start: i64) -> Self {
        let every = (!config.anomaly_every.is_zero()).then_some(config.anomaly_every);
        let schedule = Schedule::new(config.first_anomaly, every, config.anomaly);
        let satellite = Satellite::new(config.seed, start as f64 / 1e9, schedule);
        Self {
            flight: Flight::new(&satellite),
            satellite,
            speed: config.speed,
            interval: 1e9 / (config.packet_rate * KINDS as f64),
            stepped: start,
            due: start as f64,
            next_kind: 0,
        }
    }

    /// Lets time pass until `now` and shows every packet that was due, with its virtual channel.
    pub fn packets(&mut self, now: i64, mut show: impl FnMut(u8, &[u8])) {
        // Where the machine slept, what was missed is not made up for.
        self.due = self.due.max((now - CATCH_UP_MAX) as f64);
        while self.due <= now as f64 {
            let at = self.due as i64;
            self.step(at);
            let time = OnBoardTime::new(at);
            while let Some(event) = self.satellite.obc.next_event() {
                show(0, self.flight.event(event, time));
            }
            let kind = self.next_kind;
            self.flight.fill(kind, &self.satellite);
            show(Flight::channel(kind), self.flight.stamp(kind, time));
            self.next_kind = (kind + 1) % KINDS;
            self.due += self.interval;
        }
    }

    /// A packet beyond those that are due, with the values that it had last.
    fn repeat(&mut self, time: OnBoardTime, show: impl FnOnce(u8, &[u8])) {
        let kind = self.next_kind;
        self.next_kind = (kind + 1) % KINDS;
        show(Flight::channel(kind), self.flight.stamp(kind, time));
    }

    fn step(&mut self, now: i64) {
        let passed = now - self.stepped;
        if passed >= SHORTEST_STEP {
            let seconds = passed.min(CATCH_UP_MAX) as f64 / 1e9;
            self.satellite.step(seconds * self.speed, seconds);
            self.stepped = now;
        }
    }
}

/// The spacecraft and its radio link.
#[derive(Clone, Debug)]
pub struct Simulation {
    spacecraft: Spacecraft,
    transmitter: Transmitter,
    fill: bool,
}

impl Simulation {
    /// A flight that begins at `start`.
    ///
    /// # Errors
    /// The link parameters make no link.
    pub fn new(config: &Config, start: i64) -> Result<Self, ParameterError> {
        let errors = BitErrors::new(config.bit_error_rate, config.seed);
        Ok(Self {
            spacecraft: Spacecraft::new(config, start),
            transmitter: Transmitter::new(&link_parameters(), errors)?,
            fill: config.fill,
        })
    }

    /// The satellite as it is.
    pub fn satellite(&self) -> &Satellite {
        &self.spacecraft.satellite
    }

    /// Packets that found no room in the transmitter.
    pub fn lost(&self) -> u64 {
        self.transmitter.lost
    }

    /// Lets time pass until `now` and appends the symbols of the next frame.
    pub fn frame(&mut self, now: i64, out: &mut Vec<u8>) {
        let Self { spacecraft, transmitter, fill } = self;
        spacecraft.packets(now, |channel, packet| transmitter.packet(channel, packet));
        if *fill && !transmitter.frame_ready() {
            let time = OnBoardTime::new(now);
            while !transmitter.frame_ready() {
                spacecraft.repeat(time, |channel, packet| transmitter.packet(channel, packet));
            }
        }
        transmitter.frame(&spacecraft.satellite.radio, out);
        spacecraft.satellite.radio.frames_sent += 1;
    }
}
