//! Reads the limits out of a unit.

use perigee_units::unit::{Unit, Value};
use perigee_units::value::{Amount, OfDevice, Span};

use super::{DevicePolicy, Limits, Weight, io};
use crate::{Controller, Unmet};

/// The share of all tasks that a unit may have which says nothing: systemd's `DefaultTasksMax=15%`.
const DEFAULT_TASKS: Amount = Amount::Share(1500);

impl Limits {
    /// What a unit says, and what of it cannot be understood.
    pub fn of(unit: &Unit) -> (Limits, Vec<Unmet>) {
        let mut unmet = Vec::new();
        let Some(section) = unit.name.kind().section() else { return (Limits::default(), unmet) };
        let amount = |name| match unit.last(section, name) {
            Some(Value::Amount(amount)) => Some(*amount),
            _ => None,
        };
        let number = |name| match unit.last(section, name) {
            Some(Value::Number(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let yes = |name, default| match unit.last(section, name) {
            Some(Value::Bool(yes)) => *yes,
            _ => default,
        };
        let mut set = |name: &'static str| {
            let words: Vec<&String> = unit
                .all(section, name)
                .flat_map(|value| match value {
                    Value::Words(words) => words.as_slice(),
                    _ => &[],
                })
                .collect();
            let list = numbers(&words);
            if list.is_none() && !words.is_empty() {
                unmet.push(Unmet::new(name, "it is not a list of numbers such as `0-3,5`"));
            }
            list
        };
        let (cpus, memory_nodes) = (set("AllowedCPUs"), set("AllowedMemoryNodes"));
        let tasks_max = amount("TasksMax");
        let text = |name| match unit.last(section, name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let weight = match unit.last(section, "CPUWeight") {
            Some(Value::Text(_)) => Some(Weight::Idle),
            _ => number("CPUWeight").map(Weight::Of),
        };
        // Slices hold units, each of which has its own default.
        let slice = unit.name.kind() == perigee_units::unit::UnitKind::Slice;
        let limits = Limits {
            memory_min: amount("MemoryMin"),
            memory_low: amount("MemoryLow"),
            memory_high: amount("MemoryHigh"),
            memory_max: amount("MemoryMax"),
            swap_max: amount("MemorySwapMax"),
            zswap_max: amount("MemoryZSwapMax"),
            oom_group: text("OOMPolicy") == "kill",
            cpu_quota: match amount("CPUQuota") {
                Some(Amount::Share(share)) => Some(share),
                _ => None,
            },
            cpu_period: match unit.last(section, "CPUQuotaPeriodSec") {
                Some(Value::Span(Span::Finite(period))) => Some(*period),
                _ => None,
            },
            cpu_weight: weight,
            cpu_shares: number("CPUShares"),
            tasks_max: tasks_max.or((!slice).then_some(DEFAULT_TASKS)),
            // 500 was usual where 100 is now.
            io_weight: number("IOWeight")
                .or(number("BlockIOWeight").map(|weight| (weight / 5).clamp(1, 10_000))),
            io: io::DIRECTIVES
                .iter()
                .flat_map(|name| of_devices(unit, section, name).map(|device| (*name, device)))
                .collect(),
            device_policy: match text("DevicePolicy") {
                "closed" => DevicePolicy::Closed,
                "strict" => DevicePolicy::Strict,
                // Who sees no devices but the usual ones needs no others, systemd.exec(5).
                _ if yes("PrivateDevices", false) => DevicePolicy::Closed,
                _ => DevicePolicy::Auto,
            },
            devices: of_devices(unit, section, "DeviceAllow").collect(),
            cpus,
            memory_nodes,
            delegate: delegate(unit, section),
            count_memory: yes("MemoryAccounting", true),
            count_tasks: yes("TasksAccounting", true),
            count_cpu: yes("CPUAccounting", true),
            count_io: yes("IOAccounting", false),
        };
        (limits, unmet)
    }
}

fn of_devices<'a>(unit: &'a Unit, section: &'a str, name: &'a str) -> impl Iterator<Item = OfDevice> + 'a {
    unit.all(section, name).filter_map(|value| match value {
        Value::Device(device) => Some(device.clone()),
        _ => None,
    })
}

/// `Delegate=yes`, or the names of controllers.
fn delegate(unit: &Unit, section: &str) -> Option<Vec<Controller>> {
    let mut delegated = None;
    for value in unit.all(section, "Delegate") {
        let Value::Words(words) = value else { continue };
        for word in words {
            delegated = match word.as_str() {
                "no" | "false" | "off" | "0" | "n" | "f" => None,
                "yes" | "true" | "on" | "1" | "y" | "t" => Some(Controller::ALL.to_vec()),
                name => {
                    let mut all = delegated.unwrap_or_default();
                    let named =
                        |one: &Controller| one.unified_name() == Some(name) || one.legacy_name() == name;
                    all.extend(Controller::ALL.into_iter().find(named));
                    Some(all)
                }
            };
        }
    }
    delegated
}

/// `0-3 5,7` as the kernel takes it.
fn numbers(words: &[&String]) -> Option<String> {
    let mut ranges = Vec::new();
    for part in words.iter().flat_map(|word| word.split(',')).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if first > last {
            return None;
        }
        ranges.push(if first == last { first.to_string() } else { format!("{first}-{last}") });
    }
    if ranges.is_empty() { None } else { Some(ranges.join(",")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use perigee_units::unit::{Host, Source, UnitName};
    use perigee_units::value::DeviceValue;

    use super::*;

    fn read(name: &str, text: &str) -> (Limits, Vec<Unmet>) {
        let name = UnitName::parse(name).expect(name);
        let source = Source { path: "x".into(), text: text.as_bytes().to_vec() };
        Limits::of(&Unit::read(name, &[source], &Host::default()))
    }

    #[test]
    fn a_unit_says_what_it_may_use() {
        let (limits, unmet) = read(
            "x.service",
            "[Service]\nExecStart=/bin/true\nMemoryMax=1G\nMemoryHigh=50%\nMemorySwapMax=0\nCPUQuota=150%\n\
             CPUQuotaPeriodSec=10ms\nCPUWeight=idle\nTasksMax=infinity\nIOWeight=50\nAllowedCPUs=0-2 4,5\nAllowedCPUs=7\n\
             DeviceAllow=/dev/null r\nDeviceAllow=char-pts\nDevicePolicy=closed\nIOReadIOPSMax=/dev/sda 1K\n\
             Delegate=memory pids\nMemoryAccounting=no\nOOMPolicy=kill\nMemoryLimit=2G\n",
        );
        assert_eq!(unmet, []);
        let device = |device: &str, value| OfDevice { device: device.to_owned(), value };
        let expected = Limits {
            memory_max: Some(Amount::Absolute(2 << 30)),
            memory_high: Some(Amount::Share(5000)),
            swap_max: Some(Amount::Absolute(0)),
            oom_group: true,
            cpu_quota: Some(15_000),
            cpu_period: Some(Duration::from_millis(10)),
            cpu_weight: Some(Weight::Idle),
            tasks_max: Some(Amount::Infinity),
            io_weight: Some(50),
            io: vec![("IOReadIOPSMax", device("/dev/sda", DeviceValue::Amount(Amount::Absolute(1000))))],
            device_policy: DevicePolicy::Closed,
            devices: vec![
                device("/dev/null", DeviceValue::Access { read: true, write: false, make: false }),
                device("char-pts", DeviceValue::Access { read: true, write: true, make: true }),
            ],
            cpus: Some("0-2,4,5,7".to_owned()),
            delegate: Some(vec![Controller::Memory, Controller::Pids]),
            count_memory: false,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        assert_eq!(read("x.service", "").0, Limits { tasks_max: Some(DEFAULT_TASKS), ..Limits::default() });
        assert_eq!(read("x.slice", "").0, Limits::default());
        assert_eq!(read("x.target", "").0, Limits::default());
        assert_eq!(
            read("x.service", "[Service]\nPrivateDevices=yes\n").0.device_policy,
            DevicePolicy::Closed
        );
        assert_eq!(read("x.service", "[Service]\nDelegate=yes\n").0.delegate, Some(Controller::ALL.to_vec()));
        assert_eq!(read("x.service", "[Service]\nDelegate=cpu\nDelegate=no\n").0.delegate, None);
    }

    #[test]
    fn lists_that_are_none() {
        for text in ["3-1", "a", "1-", "-1", "1--2", "99999999999"] {
            let (limits, unmet) = read("x.service", &format!("[Service]\nAllowedCPUs={text}\n"));
            assert_eq!((limits.cpus, unmet.len()), (None, 1), "{text}");
        }
    }
}
