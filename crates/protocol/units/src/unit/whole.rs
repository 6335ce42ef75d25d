//! What must be true of a unit as a whole for it to be started.

use super::{Unit, UnitKind, Value};
use crate::health::HealthCheck;

/// A directive that it is about, if any, and what is wrong.
type Problem = (Option<&'static str>, &'static str);

/// Everything that is wrong with the unit as a whole.
pub(super) fn problems(unit: &Unit) -> Vec<Problem> {
    let mut found = Vec::new();
    match unit.name.kind() {
        UnitKind::Service => {
            service(unit, &mut found);
            found.extend(HealthCheck::problems(unit));
        }
        UnitKind::Socket => {
            let listens = unit.settings.iter().any(|setting| setting.directive.starts_with("Listen"));
            if !listens {
                found.push((None, "it listens nowhere"));
            }
        }
        UnitKind::Timer => {
            let names = [
                "OnCalendar",
                "OnActiveSec",
                "OnBootSec",
                "OnStartupSec",
                "OnUnitActiveSec",
                "OnUnitInactiveSec",
                "OnClockChange",
                "OnTimezoneChange",
            ];
            if !names.iter().any(|name| unit.last("Timer", name).is_some()) {
                found.push((None, "it never elapses"));
            }
        }
        UnitKind::Path => {
            let names = ["PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"];
            if !names.iter().any(|name| unit.last("Path", name).is_some()) {
                found.push((None, "it watches nothing"));
            }
        }
        UnitKind::Mount => {
            if unit.last("Mount", "What").is_none() {
                found.push((None, "it does not say what is mounted"));
            }
            if let Some(Value::Text(place)) = unit.last("Mount", "Where")
                && crate::value::escape_path(place) != unit.name.stem()
            {
                found.push((Some("Where"), "the name of the unit is not that of the place"));
            }
        }
        _ => {}
    }
    found
}

fn service(unit: &Unit, found: &mut Vec<Problem>) {
    let commands = |name| unit.all("Service", name).map(count).sum::<usize>();
    let text = |name| match unit.last("Service", name) {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    let (starts, stops) = (commands("ExecStart"), commands("ExecStop"));
    let kind = match text("Type") {
        "" if unit.last("Service", "BusName").is_some() => "dbus",
        "" if starts == 0 => "oneshot",
        "" => "simple",
        kind => kind,
    };
    let stays = unit.last("Service", "RemainAfterExit") == Some(&Value::Bool(true));
    if starts == 0 && kind != "oneshot" {
        found.push((None, "it has no ExecStart="));
    } else if starts == 0 && stops == 0 {
        found.push((None, "it has neither ExecStart= nor ExecStop="));
    } else if starts == 0 && !stays {
        found.push((None, "it has no ExecStart=, and does not say RemainAfterExit=yes"));
    }
    if starts > 1 && kind != "oneshot" {
        found.push((Some("ExecStart"), "more than one ExecStart= is for Type=oneshot only"));
    }
    if kind == "dbus" && unit.last("Service", "BusName").is_none() {
        found.push((Some("Type"), "Type=dbus needs a BusName="));
    }
    if kind == "oneshot" && matches!(text("Restart"), "always" | "on-success") {
        found.push((Some("Restart"), "a oneshot which succeeds cannot be restarted"));
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Commands(commands) => commands.len(),
        _ => 0,
    }
}
