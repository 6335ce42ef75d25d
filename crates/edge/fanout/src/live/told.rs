//! The alarms that clients have on their screens: what they were told last, until it was told to be over.

use std::collections::BTreeMap;

use perigee_part::Timestamp;
use perigee_telemetry::{Acknowledgement, AlarmState};

/// The alarms last told, by parameter; at most one for each.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<u32, AlarmState>);

impl Told {
    /// Takes note of an alarm as it is told. One that has cleared and was acknowledged is over, and forgotten.
    pub(crate) fn note(&mut self, state: &AlarmState) {
        if !state.is_active() && state.acknowledged.is_some() {
            self.0.remove(&state.parameter.0);
        } else {
            self.0.insert(state.parameter.0, state.clone());
        }
    }

    /// The alarms that were told and are `listed` no longer, as they must be told now: over. When they ended,
    /// and who acknowledged those that nobody was known to have, was lost.
    pub(crate) fn ended(&mut self, listed: &[AlarmState], now: Timestamp) -> Vec<AlarmState> {
        let is_listed = |parameter: u32| listed.iter().any(|state| state.parameter.0 == parameter);
        let gone: Vec<_> = self.0.keys().copied().filter(|&parameter| !is_listed(parameter)).collect();
        let mut ended: Vec<_> = gone.iter().filter_map(|parameter| self.0.remove(parameter)).collect();
        for state in &mut ended {
            state.cleared.get_or_insert(now);
            state.acknowledged.get_or_insert_with(|| Acknowledgement {
                by: "unknown".to_owned(),
                at: now.0,
                comment: String::new(),
            });
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use perigee_xtce::{ParameterId, Severity};

    use super::*;

    fn alarm(parameter: u32, cleared: bool, acknowledged: bool) -> AlarmState {
        let by = |by: &str| Acknowledgement { by: by.into(), at: 5, comment: String::new() };
        AlarmState {
            id: 1,
            parameter: ParameterId(parameter),
            severity: Severity::Warning,
            value: 4.5.into(),
            limit: "above 4".into(),
            triggered: Timestamp(1),
            latest: Timestamp(1),
            count: 1,
            cleared: cleared.then_some(Timestamp(2)),
            acknowledged: acknowledged.then(|| by("otto")),
        }
    }

    #[test]
    fn what_is_listed_no_longer_is_told_to_be_over_and_only_once() {
        let mut told = Told::default();
        let states = [
            alarm(1, false, false),
            alarm(2, true, false),
            alarm(3, false, true),
            alarm(4, true, true),
            alarm(5, false, false),
        ];
        states.iter().for_each(|state| told.note(state));
        let listed = [alarm(5, false, false)];
        let ended = told.ended(&listed, Timestamp(9));
        let seen: Vec<_> = ended
            .iter()
            .map(|state| {
                let by = state.acknowledged.as_ref().map(|seen| seen.by.as_str());
                (state.parameter.0, state.cleared.map(|at| at.0), by)
            })
            .collect();
        let expected =
            [(1, Some(9), Some("unknown")), (2, Some(2), Some("unknown")), (3, Some(9), Some("otto"))];
        assert_eq!(seen, expected, "the fourth was told to be over already");
        assert!(told.ended(&listed, Timestamp(9)).is_empty());
    }
}
