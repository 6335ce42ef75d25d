//! Every directive of a unit file: what its value is, and whether it is carried out. One table for each
//! section; the names are those of systemd 252.
//!
//! A directive is [`Fate::CarriedOut`] only where code does what it says.

mod exec;
mod fate;
mod kind;
mod own;
mod resources;
mod service;
mod statuses;
mod triggers;
mod unit;

pub use fate::Fate;
pub use kind::{Condition, EnvironmentFile, ExitStatuses, Kind, Value};

use super::UnitKind;

/// A directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Left of the `=`.
    pub name: &'static str,
    /// What stands right of it.
    pub kind: Kind,
    /// What becomes of it.
    pub fate: Fate,
}

/// A row of a table.
const fn row(name: &'static str, kind: Kind, fate: Fate) -> Directive {
    Directive { name, kind, fate }
}

/// Older names of directives, and those that have moved to another section: in section, name; section, name. An
/// empty section is any that has the new name.
const RENAMED: [(&str, &str, &str, &str); 18] = [
    ("Unit", "BindTo", "Unit", "BindsTo"),
    ("Unit", "PropagateReloadTo", "Unit", "PropagatesReloadTo"),
    ("Unit", "PropagateReloadFrom", "Unit", "ReloadPropagatedFrom"),
    ("Unit", "StartLimitInterval", "Unit", "StartLimitIntervalSec"),
    ("Unit", "RequiresOverridable", "Unit", "Requires"),
    ("Unit", "RequisiteOverridable", "Unit", "Requisite"),
    ("Service", "StartLimitInterval", "Unit", "StartLimitIntervalSec"),
    ("Service", "StartLimitBurst", "Unit", "StartLimitBurst"),
    ("Service", "StartLimitAction", "Unit", "StartLimitAction"),
    ("Service", "FailureAction", "Unit", "FailureAction"),
    ("Service", "RebootArgument", "Unit", "RebootArgument"),
    ("", "MemoryLimit", "", "MemoryMax"),
    ("", "BlockIOAccounting", "", "IOAccounting"),
    ("", "BlockIOReadBandwidth", "", "IOReadBandwidthMax"),
    ("", "BlockIOWriteBandwidth", "", "IOWriteBandwidthMax"),
    ("", "ReadWriteDirectories", "", "ReadWritePaths"),
    ("", "ReadOnlyDirectories", "", "ReadOnlyPaths"),
    ("", "InaccessibleDirectories", "", "InaccessiblePaths"),
];

/// The directive of this name in a section of a unit of this kind, and the section that it counts for.
pub fn find(unit: UnitKind, section: &str, name: &str) -> Option<(&'static str, &'static Directive)> {
    let renamed =
        RENAMED.iter().find(|(from, old, ..)| (from.is_empty() || *from == section) && *old == name);
    let (section, name) = match renamed {
        Some((_, _, "", name)) => (section, *name),
        Some((_, _, section, name)) => (*section, *name),
        None => (section, name),
    };
    let section = sections(unit).into_iter().find(|known| *known == section)?;
    let tables = tables(section);
    let row = tables.iter().flat_map(|table| table.iter()).find(|row| row.name == name)?;
    Some((section, row))
}

/// Whether a directive of units with control groups limits them in a way that can be changed while they run.
pub fn is_limit(name: &str) -> bool {
    !matches!(name, "Slice" | "Delegate") && resources::RESOURCES.iter().any(|row| row.name == name)
}

/// Directives that make one list: an empty value of one takes all of them back.
const LISTS: [(&str, &[&str]); 3] = [
    (
        "Socket",
        &[
            "ListenStream",
            "ListenDatagram",
            "ListenSequentialPacket",
            "ListenFIFO",
            "ListenNetlink",
            "ListenSpecial",
            "ListenMessageQueue",
            "ListenUSBFunction",
        ],
    ),
    (
        "Timer",
        &["OnCalendar", "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec"],
    ),
    ("Path", &["PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"]),
];

/// Whether an empty value of the directive `emptied` takes back what `directive` has said in the same section.
pub fn takes_back(section: &str, emptied: &str, directive: &str) -> bool {
    let one_list = |(_, list): &&(&str, &[&str])| list.contains(&emptied) && list.contains(&directive);
    // Conditions are one list, whatever they test; assertions are another.
    let tests = |list: &str| {
        let is_test =
            |name: &str| name.starts_with(list) && unit::CONDITIONS.iter().any(|row| row.name == name);
        section == "Unit" && is_test(emptied) && is_test(directive)
    };
    emptied == directive
        || tests("Condition")
        || tests("Assert")
        || LISTS.iter().filter(|(of, _)| *of == section).any(|list| one_list(&list))
}

/// The sections that a unit of this kind may have.
pub fn sections(unit: UnitKind) -> Vec<&'static str> {
    let checked = (unit == UnitKind::Service).then_some("X-HealthCheck");
    [Some("Unit"), unit.section(), Some("Install"), checked, Some("X-Perigee")]
        .into_iter()
        .flatten()
        .collect()
}

/// The tables of a section.
pub fn tables(section: &str) -> Vec<&'static [Directive]> {
    let process: [&[Directive]; 3] = [exec::EXEC, exec::KILL, &resources::ELSEWHERE];
    match section {
        "Unit" => vec![unit::UNIT, unit::CONDITIONS],
        "Install" => vec![unit::INSTALL],
        "X-HealthCheck" => vec![own::HEALTH_CHECK],
        "X-Perigee" => vec![own::PERIGEE],
        "Service" => vec![service::SERVICE, exec::EXEC, exec::KILL, &resources::RESOURCES],
        "Socket" => vec![triggers::SOCKET, exec::EXEC, exec::KILL, &resources::RESOURCES],
        "Mount" => [&[triggers::MOUNT], &process[..]].concat(),
        "Swap" => [&[triggers::SWAP], &process[..]].concat(),
        "Timer" => vec![triggers::TIMER],
        "Path" => vec![triggers::PATH],
        "Automount" => vec![triggers::AUTOMOUNT],
        "Slice" => vec![&resources::RESOURCES],
        "Scope" => vec![exec::KILL, &resources::ELSEWHERE, triggers::SCOPE],
        _ => Vec::new(),
    }
}

/// What becomes of a directive in a section: what is carried out for the processes of services is not for the
/// helpers of mounts and the like.
pub fn fate(section: &str, directive: &Directive) -> Fate {
    let own = match section {
        // It is where the sockets lie, and not only where the commands run.
        "Socket" if directive.name == "NetworkNamespacePath" => return fate::OPENED,
        "Mount" => triggers::MOUNT,
        "Swap" => triggers::SWAP,
        _ => return directive.fate,
    };
    let for_processes = own.iter().all(|row| row.name != directive.name);
    if for_processes && directive.fate == Fate::CarriedOut { fate::HELPERS } else { directive.fate }
}

/// Letters in which names that are alike differ.
const MOST_LETTERS: usize = 2;

/// The name that is most like `name`, for who has mistyped it.
pub fn similar(unit: UnitKind, section: &str, name: &str) -> Option<&'static str> {
    let section = sections(unit).into_iter().find(|known| *known == section)?;
    let tables = tables(section);
    let names = tables.iter().flat_map(|table| table.iter()).map(|row| row.name);
    // A file may have very many lines with names that nobody knows.
    let near = names.filter(|known| known.len().abs_diff(name.len()) <= MOST_LETTERS);
    let nearest = near.map(|known| (distance(known, name), known)).min();
    nearest.filter(|(letters, _)| *letters <= MOST_LETTERS).map(|(_, known)| known)
}

/// Letters to be put in, taken out or changed to make one word of the other; names are short.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.bytes().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = corner + usize::from(!a.eq_ignore_ascii_case(b));
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_in_its_section() {
        for kind in UnitKind::ALL {
            for section in sections(kind) {
                let mut names: Vec<_> =
                    tables(section).into_iter().flatten().map(|directive| directive.name).collect();
                names.sort_unstable();
                let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
                assert!(twice.is_empty(), "[{section}] {twice:?}");
            }
        }
    }

    #[test]
    fn renamed_directives_count_for_their_new_name() {
        for (section, old, to, new) in RENAMED {
            let kind = if section == "Unit" { UnitKind::Target } else { UnitKind::Service };
            let or_service = |section: &'static str| if section.is_empty() { "Service" } else { section };
            let (found, directive) = find(kind, or_service(section), old).expect(old);
            assert_eq!((found, directive.name), (or_service(to), new));
        }
    }

    #[test]
    fn what_is_for_services_is_not_for_the_helpers_of_mounts() {
        let of = |kind, section, name| {
            let (section, directive) = find(kind, section, name).expect(name);
            fate(section, directive) == Fate::CarriedOut
        };
        assert!(of(UnitKind::Service, "Service", "User") && !of(UnitKind::Mount, "Mount", "User"));
        assert!(of(UnitKind::Mount, "Mount", "Options"));
        assert!(of(UnitKind::Socket, "Socket", "ExecStartPre") && !of(UnitKind::Swap, "Swap", "Nice"));
        assert!(of(UnitKind::Socket, "Socket", "User") && of(UnitKind::Socket, "Socket", "TasksMax"));
        assert!(!of(UnitKind::Socket, "Socket", "NetworkNamespacePath"));
    }

    #[test]
    fn a_mistyped_name_has_a_neighbour() {
        assert_eq!(similar(UnitKind::Service, "Service", "ExecStrat"), Some("ExecStart"));
        assert_eq!(similar(UnitKind::Service, "Unit", "after"), Some("After"));
        assert_eq!(similar(UnitKind::Service, "Service", "Nonsense"), None);
    }

    /// systemd names its directives itself, where it is installed; each of them is known here.
    #[test]
    fn every_directive_of_systemd_is_known() {
        let systemd = "/lib/systemd/systemd";
        let Ok(output) = std::process::Command::new(systemd).arg("--dump-configuration-items").output()
        else {
            eprintln!("SKIPPED every_directive_of_systemd_is_known: {systemd} is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (mut section, mut seen, mut unknown) = (String::new(), 0, Vec::new());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            } else if let Some((name, _)) = line.split_once('=') {
                let kind = UnitKind::ALL.into_iter().find(|kind| kind.section() == Some(&section));
                seen += 1;
                if find(kind.unwrap_or(UnitKind::Target), &section, name).is_none() {
                    unknown.push(format!("{section}.{name}"));
                }
            }
        }
        assert!(seen > 1000, "systemd names {seen} directives only");
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
