//! Tests of pressure stall information: `10%`, `10%/1min`, `system.slice:10%`.

use perigee_units::unit::{UnitKind, UnitName};

use super::{TestError, Tested, World};

/// Whether there is no more pressure than this. A kernel that does not tell has none.
pub(super) fn test(world: &World, resource: &str, parameter: &str) -> Tested {
    let wrong = || TestError::Parameter(parameter.to_owned());
    let (slice, rest) = match parameter.split_once(':') {
        Some((slice, rest)) => {
            let slice = UnitName::parse(slice).ok().filter(|name| name.kind() == UnitKind::Slice);
            (Some(slice.ok_or_else(wrong)?), rest)
        }
        None => (None, parameter),
    };
    let (share, window) = rest.split_once('/').unwrap_or((rest, "5min"));
    let window = match window.trim() {
        "10sec" => "avg10=",
        "1min" => "avg60=",
        "5min" => "avg300=",
        _ => return Err(wrong()),
    };
    let share = share.trim().strip_suffix('%').unwrap_or(share.trim());
    let most: f64 = share.parse().ok().filter(|share| (0.0..=100.0).contains(share)).ok_or_else(wrong)?;
    let path = match slice {
        None => format!("/proc/pressure/{resource}"),
        Some(slice) => format!("/sys/fs/cgroup{}/{resource}.pressure", group(&slice)),
    };
    let Some(text) = world.read(&path) else { return Ok(true) };
    // Of the processor there is no time in which all wait.
    let line = if resource == "cpu" { "some" } else { "full" };
    let line =
        text.lines().find(|found| found.starts_with(line)).ok_or(TestError::Unknown("the pressure"))?;
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(window)?.parse::<f64>().ok());
    Ok(value.ok_or(TestError::Unknown("the pressure"))? <= most)
}

/// The control group of a slice: `/a.slice/a-b.slice` for `a-b.slice`.
fn group(slice: &UnitName) -> String {
    let stem = slice.stem();
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    ends.filter(|_| stem != "-").map(|end| format!("/{}.slice", &stem[..end])).collect()
}
