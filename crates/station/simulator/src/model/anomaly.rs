//! What goes wrong on board: one thing at a time, now and then, and it passes.

use std::time::Duration;

use super::obc::Event;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// The second reaction wheel runs rough and takes more current.
    WheelFriction,
    /// The fourth cell of the battery shows too little voltage.
    BatteryCell,
    /// The star tracker's heater does not switch off.
    HeaterStuck,
}

impl Anomaly {
    const ALL: [Self; 3] = [Self::WheelFriction, Self::BatteryCell, Self::HeaterStuck];

    /// How long it lasts; the stuck heater until it is noticed, at the latest.
    fn lasts(self) -> f64 {
        match self {
            Self::WheelFriction => 25.0,
            Self::BatteryCell => 20.0,
            Self::HeaterStuck => 900.0,
        }
    }
}

/// When things go wrong, on the ground's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Seconds until the first anomaly.
    pub first: f64,
    /// Mean seconds from the beginning of one to the beginning of the next; `None`: never.
    pub every: Option<f64>,
    /// Only this one; otherwise one after the other.
    pub only: Option<Anomaly>,
}

impl Schedule {
    /// Nothing goes wrong.
    pub const NEVER: Self = Self { first: f64::INFINITY, every: None, only: None };

    /// From the configuration's durations.
    pub fn new(first: Duration, every: Option<Duration>, only: Option<Anomaly>) -> Self {
        Self { first: first.as_secs_f64(), every: every.map(|every| every.as_secs_f64()), only }
    }
}

/// What is wrong now and what comes next.
#[derive(Clone, Debug)]
pub struct Anomalies {
    schedule: Schedule,
    /// Scatters the intervals; 0 to 1.
    dice: f64,
    begun: usize,
    until_next: f64,
    current: Option<(Anomaly, f64)>,
}

impl Anomalies {
    pub(super) fn new(schedule: Schedule, dice: f64) -> Self {
        let until_next = if schedule.every.is_some() { schedule.first } else { f64::INFINITY };
        Self { schedule, dice, begun: 0, until_next, current: None }
    }

    /// Whether this is wrong now.
    pub fn active(&self, anomaly: Anomaly) -> bool {
        self.current.is_some_and(|(current, _)| current == anomaly)
    }

    /// What is wrong now.
    pub fn current(&self) -> Option<Anomaly> {
        self.current.map(|(anomaly, _)| anomaly)
    }

    /// The failure detection has found it and switched to the redundant unit.
    pub(super) fn resolve(&mut self, anomaly: Anomaly) {
        if let Some((current, left)) = &mut self.current
            && *current == anomaly
        {
            *left = 0.0;
        }
    }

    /// Lets time pass and says what changed.
    pub(super) fn step(&mut self, seconds: f64) -> Option<Event> {
        self.until_next -= seconds;
        if let Some((anomaly, left)) = &mut self.current {
            *left -= seconds;
            if *left <= 0.0 {
                let over = *anomaly;
                self.current = None;
                return Some(Event::AnomalyOver(over));
            }
            return None;
        }
        if self.until_next > 0.0 {
            return None;
        }
        let anomaly = self.schedule.only.unwrap_or(Anomaly::ALL[self.begun % Anomaly::ALL.len()]);
        self.begun += 1;
        // Intervals between three quarters and five quarters of the mean, by the golden ratio's remainders.
        self.dice = (self.dice + 0.618_034).fract();
        self.until_next = self.schedule.every.map_or(f64::INFINITY, |every| every * (0.75 + 0.5 * self.dice));
        self.current = Some((anomaly, anomaly.lasts()));
        Some(Event::AnomalyBegun(anomaly))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_when_they_should_and_pass() {
        let schedule = Schedule { first: 30.0, every: Some(180.0), only: None };
        // Nobody finds the stuck heater, so it lasts its longest.
        let mut anomalies = Anomalies::new(schedule, 0.5);
        let mut begun = Vec::new();
        let mut over = 0;
        for second in 0..7200u32 {
            match anomalies.step(1.0) {
                Some(Event::AnomalyBegun(anomaly)) => begun.push((second, anomaly)),
                Some(Event::AnomalyOver(_)) => over += 1,
                _ => {}
            }
        }
        assert_eq!(begun[0], (29, Anomaly::WheelFriction));
        assert_eq!(begun[1].1, Anomaly::BatteryCell);
        assert!((15..=45).contains(&begun.len()), "{} in two hours", begun.len());
        assert!(begun.len() - over <= 1);
    }

    #[test]
    fn none_come_when_none_are_wanted() {
        let mut anomalies = Anomalies::new(Schedule::NEVER, 0.1);
        assert!((0..100_000).all(|_| anomalies.step(1.0).is_none()));
    }
}
