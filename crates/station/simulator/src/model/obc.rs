//! The on-board computer: its modes, counters and the log of events it sends down as text.

use std::collections::VecDeque;

use super::anomaly::Anomaly;
use super::orbit::Orbit;
use super::payload::PayloadMode;

/// Events that wait to be sent; the oldest are dropped beyond this.
const LOG_MAX: usize = 64;

/// Something worth a line in the operators' log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The computer started.
    Booted,
    /// Day begins.
    Sunrise,
    /// Night begins.
    Sunset,
    /// The battery is low: everything that can be spared is off.
    SafeModeEntered,
    /// The battery has recovered.
    SafeModeLeft,
    /// The instrument looks.
    ImagingStarted,
    /// The instrument has looked.
    ImagingEnded,
    /// The instrument was switched off.
    PayloadOff,
    /// Something went wrong.
    AnomalyBegun(Anomaly),
    /// It is right again.
    AnomalyOver(Anomaly),
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventSeverity {
    /// As planned.
    Info = 1,
    /// Look at it.
    Warning = 2,
    /// Act on it.
    Error = 3,
}

impl Event {
    /// Its number in the mission database.
    pub fn id(self) -> u16 {
        match self {
            Self::Booted => 1,
            Self::Sunrise => 10,
            Self::Sunset => 11,
            Self::SafeModeEntered => 20,
            Self::SafeModeLeft => 21,
            Self::ImagingStarted => 30,
            Self::ImagingEnded => 31,
            Self::PayloadOff => 32,
            Self::AnomalyBegun(anomaly) => 40 + anomaly as u16,
            Self::AnomalyOver(anomaly) => 50 + anomaly as u16,
        }
    }

    /// How much it matters.
    pub fn severity(self) -> EventSeverity {
        match self {
            Self::SafeModeEntered | Self::AnomalyBegun(Anomaly::BatteryCell) => EventSeverity::Error,
            Self::AnomalyBegun(_) | Self::PayloadOff => EventSeverity::Warning,
            _ => EventSeverity::Info,
        }
    }

    /// What the operators read.
    pub fn text(self) -> &'static str {
        match self {
            Self::Booted => "OBC: started from image A, all tasks up",
            Self::Sunrise => "EPS: sunrise, arrays producing",
            Self::Sunset => "EPS: sunset, running on battery",
            Self::SafeModeEntered => "FDIR: battery low, safe mode entered, payload and heaters shed",
            Self::SafeModeLeft => "FDIR: battery recovered, nominal mode",
            Self::ImagingStarted => "PLD: imaging started",
            Self::ImagingEnded => "PLD: imaging ended, data stored",
            Self::PayloadOff => "PLD: switched off",
            Self::AnomalyBegun(Anomaly::WheelFriction) => "AOCS: wheel 2 drag torque above model",
            Self::AnomalyBegun(Anomaly::BatteryCell) => "EPS: battery cell 4 voltage deviates from pack",
            Self::AnomalyBegun(Anomaly::HeaterStuck) => {
                "TCS: star tracker heater does not respond to thermostat"
            }
            Self::AnomalyOver(Anomaly::WheelFriction) => "AOCS: wheel 2 drag torque back to nominal",
            Self::AnomalyOver(Anomaly::BatteryCell) => "EPS: battery cell 4 back in family",
            Self::AnomalyOver(Anomaly::HeaterStuck) => {
                "TCS: star tracker heater switched to redundant driver"
            }
        }
    }
}

/// The on-board computer.
#[derive(Clone, Debug)]
pub struct Obc {
    /// Only what keeps the satellite alive runs.
    pub safe: bool,
    /// How often it has started.
    pub boots: u16,
    /// Seconds since it started.
    pub uptime: f64,
    /// 0 to 1.
    pub cpu_load: f64,
    /// Octets of memory in use.
    pub memory_used: f64,
    /// Octets of mass memory in use by the log.
    pub log_used: f64,
    /// Bit flips that the memory has corrected.
    pub memory_corrections: u32,
    /// Runs of the main control loop.
    pub cycles: u64,
    /// Events since it started.
    pub events: u32,
    /// Telecommands accepted and refused.
    pub commands: (u16, u16),
    /// Difference of its clock to GPS, microseconds.
    pub clock_error: f64,
    pending: VecDeque<Event>,
    upsets: f64,
}

impl Obc {
    pub(super) fn new(boots: u16) -> Self {
        let mut obc = Self {
            safe: false,
            boots,
            uptime: 0.0,
            cpu_load: 0.3,
            memory_used: 41e6,
            log_used: 3e6,
            memory_corrections: 0,
            cycles: 0,
            events: 0,
            commands: (118, 2),
            clock_error: 0.4,
            pending: VecDeque::new(),
            upsets: 0.0,
        };
        obc.log(Event::Booted);
        obc
    }

    /// Notes an event for the ground.
    pub fn log(&mut self, event: Event) {
        self.events += 1;
        self.pending.push_back(event);
        if self.pending.len() > LOG_MAX {
            self.pending.pop_front();
        }
    }

    /// The next event to be sent.
    pub fn next_event(&mut self) -> Option<Event> {
        self.pending.pop_front()
    }

    pub(super) fn advance(&mut self, dt: f64, payload: PayloadMode, orbit: &Orbit) {
        self.uptime += dt;
        let busy = match payload {
            PayloadMode::Imaging => 0.71,
            PayloadMode::Downlink => 0.52,
            _ => 0.31,
        };
        self.cpu_load +=
            (busy - self.cpu_load) * (dt / 8.0).min(1.0) + 0.004 * (self.uptime * 1.7).sin() * dt.min(1.0);
        self.memory_used = 41e6 + 14e6 * self.cpu_load + 0.4e6 * (self.uptime / 90.0).sin();
        self.log_used = (self.log_used + 55.0 * dt) % 64e6;
        self.cycles += (dt * 10.0).round() as u64;
        self.clock_error = 0.4 + 0.25 * (self.uptime / 700.0).sin();
        // The field is weak over the South Atlantic, and radiation comes down: ten upsets a minute at its heart.
        let (east, north) = (orbit.longitude + 50.0, orbit.latitude + 26.0);
        let anomaly = (-(east / 35.0).powi(2) - (north / 20.0).powi(2)).exp();
        self.upsets += dt * (0.0005 + anomaly / 6.0);
        self.memory_corrections = self.upsets as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_keeps_the_newest() {
        let mut obc = Obc::new(1);
        for _ in 0..200 {
            obc.log(Event::Sunset);
        }
        obc.log(Event::Sunrise);
        let mut events = Vec::new();
        while let Some(event) = obc.next_event() {
            events.push(event);
        }
        assert_eq!(events.len(), LOG_MAX);
        assert_eq!(events.last(), Some(&Event::Sunrise));
        assert_eq!(obc.events, 202);
    }
}
