//! A timer from what its unit says.

use std::time::Duration;

use super::{Base, Kept, Next, Phase, Timer, Trigger, mixed};
use crate::unit::{Unit, UnitKind, Value};
use crate::value::Span;

impl Timer {
    /// Reads a `.timer` unit. `machine_id` makes the delay of `FixedRandomDelay=` another on each machine; `seed`
    /// decides what is random.
    pub fn read(unit: &Unit, machine_id: Option<&str>, seed: u64) -> Timer {
        let flag = |name| match unit.last("Timer", name) {
            Some(Value::Bool(set)) => Some(*set),
            _ => None,
        };
        let length = |name| match unit.last("Timer", name) {
            Some(Value::Span(span)) => Some(span.finite().unwrap_or(Duration::MAX)),
            _ => None,
        };
        let named = match unit.last("Timer", "Unit") {
            Some(Value::Units(names)) => names.first().cloned(),
            _ => None,
        };
        let triggers = unit.settings.iter().filter(|setting| setting.section == "Timer");
        let triggers = triggers.filter_map(|setting| base(setting.directive, &setting.value));
        let fixed = flag("FixedRandomDelay").unwrap_or(false);
        Timer {
            unit: named.unwrap_or_else(|| unit.name.of_kind(UnitKind::Service)),
            triggers: triggers.map(|base| Trigger { base, done: false }).collect(),
            on_clock_change: flag("OnClockChange").unwrap_or(false),
            on_zone_change: flag("OnTimezoneChange").unwrap_or(false),
            persistent: flag("Persistent").unwrap_or(false),
            wakes: flag("WakeSystem").unwrap_or(false),
            remains: flag("RemainAfterElapse").unwrap_or(true),
            accuracy: length("AccuracySec").unwrap_or(Duration::from_secs(60)),
            random: length("RandomizedDelaySec").unwrap_or_default(),
            fixed: fixed.then(|| share(machine_id.unwrap_or_default(), unit.name.as_str())),
            seed: seed ^ share("", unit.name.as_str()),
            kept: Kept {
                phase: Phase::Dead,
                activated: None,
                last: None,
                stamp: None,
                unit_up: false,
                unit_left_inactive: None,
                unit_went_inactive: None,
                delay: Duration::ZERO,
            },
            next: Next::default(),
        }
    }
}

fn base(directive: &str, value: &Value) -> Option<Base> {
    match (directive, value) {
        ("OnCalendar", Value::Calendar(calendar)) => Some(Base::Calendar(calendar.as_ref().clone())),
        (directive, Value::Span(span)) => {
            // What is for ever never elapses.
            let length = Span::finite(*span)?;
            match directive {
                "OnActiveSec" => Some(Base::Active(length)),
                "OnBootSec" => Some(Base::Boot(length)),
                "OnStartupSec" => Some(Base::Startup(length)),
                "OnUnitActiveSec" => Some(Base::UnitActive(length)),
                "OnUnitInactiveSec" => Some(Base::UnitInactive(length)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A number that stays the same for a machine and a unit, whatever the version of this program: FNV-1a, finished.
fn share(machine: &str, unit: &str) -> u64 {
    let octets = machine.bytes().chain([0]).chain(unit.bytes());
    mixed(octets.fold(0xCBF2_9CE4_8422_2325, |hash: u64, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3)
    }))
}
