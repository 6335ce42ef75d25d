//! Which unit has which processes, from records, groups and the processes that there are. Pure: whoever asks brings
//! what was seen.

use std::collections::{BTreeMap, BTreeSet};

use perigee_cgroup::unescape;
use perigee_process::stranger::Seen;
use perigee_process::wait::Exit;
use perigee_units::unit::{UnitKind, UnitName};

use super::{ProcessId, Record};

/// What became of a main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Main {
    /// It is the one of the record, and lives.
    Same(ProcessId),
    /// Nobody has recorded it; it is the only process of the unit that none of the others has made.
    Guessed(ProcessId),
    /// It has ended meanwhile; with the way it did where the kernel could still tell.
    Ended(ProcessId, Option<Exit>),
    /// There is none, or nobody can say which it is.
    None,
}

/// What was found of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The unit.
    pub unit: String,
    /// What is left of the supervisor before.
    pub record: Option<Record>,
    /// Its group.
    pub group: Option<String>,
    /// Its main process.
    pub main: Main,
    /// Its control process, if it lives.
    pub control: Option<ProcessId>,
    /// All its processes that live, in its group and below it.
    pub processes: Vec<ProcessId>,
}

/// Says what belongs to what. `groups` has the path of every group that is populated with the processes in that one
/// itself; `look` looks at a process outside of them.
pub fn decide(
    records: Vec<Record>,
    groups: &[(String, Vec<Seen>)],
    look: impl Fn(i32) -> Option<Seen>,
) -> Vec<Taken> {
    let mut found: BTreeMap<String, (Option<String>, Vec<Seen>)> = BTreeMap::new();
    for (path, processes) in groups {
        let Some((unit, group)) = unit_of(path) else { continue };
        let entry = found.entry(unit).or_default();
        entry.0 = Some(group.to_owned());
        entry.1.extend(processes);
    }
    let mut records: BTreeMap<String, Record> =
        records.into_iter().map(|record| (record.unit.clone(), record)).collect();
    let units: BTreeSet<String> = records.keys().chain(found.keys()).cloned().collect();
    let taken = units.into_iter().map(|unit| {
        let record = records.remove(&unit);
        let (group, processes) = found.remove(&unit).unwrap_or_default();
        taken(unit, record, group, &processes, &look)
    });
    taken.collect()
}

fn taken(
    unit: String,
    record: Option<Record>,
    group: Option<String>,
    processes: &[Seen],
    look: &impl Fn(i32) -> Option<Seen>,
) -> Taken {
    // One that has moved elsewhere by itself, or that never had a group.
    let seen = |id: ProcessId| {
        let inside = processes.iter().copied().find(|seen| seen.identity.pid == id.pid);
        inside.or_else(|| look(id.pid)).filter(|seen| ProcessId::from(seen.identity) == id)
    };
    let lives = |id: ProcessId| seen(id).is_some_and(|seen| !seen.zombie);
    let main = match record.as_ref().map(|record| record.main) {
        Some(Some(id)) if lives(id) => Main::Same(id),
        Some(Some(id)) => Main::Ended(id, seen(id).and_then(|seen| seen.exit)),
        Some(None) => Main::None,
        None => only(processes).map_or(Main::None, Main::Guessed),
    };
    let control = record.as_ref().and_then(|record| record.control).filter(|id| lives(*id));
    let living = processes.iter().filter(|seen| !seen.zombie).map(|seen| ProcessId::from(seen.identity));
    let outside = match main {
        Main::Same(id) => Some(id),
        _ => None,
    };
    let mut all: Vec<ProcessId> = living.chain(outside).chain(control).collect();
    all.sort_unstable();
    all.dedup();
    Taken { unit, record, group, main, control, processes: all }
}

/// The only process which was made by none of the others.
fn only(processes: &[Seen]) -> Option<ProcessId> {
    let living = || processes.iter().filter(|seen| !seen.zombie);
    let inside = |pid: i32| living().any(|seen| seen.identity.pid == pid);
    let mut first = living().filter(|seen| !inside(seen.parent));
    match (first.next(), first.next()) {
        (Some(seen), None) => Some(seen.identity.into()),
        _ => None,
    }
}

/// The unit whose group this is, or lies below, and the group of the unit. Slices are passed through: what lies below
/// a service is its own.
fn unit_of(path: &str) -> Option<(String, &str)> {
    let mut end = 0;
    for name in path.split('/') {
        end += name.len();
        let unit = UnitName::parse(unescape(name)).ok()?;
        match unit.kind() {
            UnitKind::Slice => end += 1,
            // The supervisor's own, and those of others that are not ours to take.
            UnitKind::Scope => return None,
            _ => return Some((unit.to_string(), &path[..end])),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use perigee_process::stranger::Identity;
    use perigee_units::machine::State;
    use perigee_units::service::Phase;

    use super::*;

    fn seen(pid: i32, started: u64, parent: i32) -> Seen {
        Seen { identity: Identity { pid, started }, parent, zombie: false, exit: None }
    }

    fn id(pid: i32, started: u64) -> ProcessId {
        ProcessId { pid, started }
    }

    fn record(unit: &str, main: Option<ProcessId>, control: Option<ProcessId>) -> Record {
        Record {
            boot: String::new(),
            unit: unit.to_owned(),
            state: State::Active,
            phase: Phase::Running,
            main,
            control,
            invocation: String::new(),
        }
    }

    fn one(records: Vec<Record>, groups: &[(&str, Vec<Seen>)], outside: &[Seen]) -> Taken {
        let groups: Vec<_> = groups.iter().map(|(path, seen)| ((*path).to_owned(), seen.clone())).collect();
        let look = |pid| outside.iter().copied().find(|seen| seen.identity.pid == pid);
        let mut taken = decide(records, &groups, look);
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0)
    }

    #[test]
    fn the_recorded_process_is_the_main_one() {
        let group = ("system.slice/a.service", vec![seen(8, 80, 7), seen(7, 70, 1)]);
        let taken = one(vec![record("a.service", Some(id(7, 70)), Some(id(8, 80)))], &[group], &[]);
        assert_eq!((taken.main, taken.control), (Main::Same(id(7, 70)), Some(id(8, 80))));
        assert_eq!(taken.processes, [id(7, 70), id(8, 80)]);
        assert_eq!(taken.group.as_deref(), Some("system.slice/a.service"));
    }

    #[test]
    fn a_number_that_was_given_again_is_another_process() {
        // The same number, in the same group and outside of it, with another start time.
        for (inside, outside) in [(vec![seen(7, 71, 1)], vec![]), (vec![], vec![seen(7, 71, 1)])] {
            let group = ("a.service", inside);
            let records = vec![record("a.service", Some(id(7, 70)), Some(id(7, 70)))];
            let taken = one(records, &[group], &outside);
            assert_eq!((taken.main, taken.control), (Main::Ended(id(7, 70), None), None));
        }
    }

    #[test]
    fn how_a_zombie_has_ended_is_known() {
        let zombie = Seen { zombie: true, exit: Some(Exit::Code(3)), ..seen(7, 70, 1) };
        let taken = one(vec![record("a.service", Some(id(7, 70)), None)], &[], &[zombie]);
        assert_eq!(taken.main, Main::Ended(id(7, 70), Some(Exit::Code(3))));
        assert_eq!(taken.processes, []);
    }

    #[test]
    fn a_main_process_may_be_elsewhere() {
        let taken = one(vec![record("a.service", Some(id(7, 70)), None)], &[], &[seen(7, 70, 1)]);
        assert_eq!((taken.main, taken.group), (Main::Same(id(7, 70)), None));
        assert_eq!(taken.processes, [id(7, 70)]);
    }

    #[test]
    fn without_a_record_the_one_that_made_the_others_is_guessed() {
        let groups = [
            ("x.slice/x-y.slice/b.service", vec![seen(7, 70, 1), seen(8, 80, 7)]),
            ("x.slice/x-y.slice/b.service/sub/c.service", vec![seen(9, 90, 8)]),
        ];
        let taken = one(vec![], &groups, &[]);
        assert_eq!((taken.unit.as_str(), taken.main), ("b.service", Main::Guessed(id(7, 70))));
        assert_eq!(taken.group.as_deref(), Some("x.slice/x-y.slice/b.service"));
        assert_eq!(taken.processes.len(), 3);
        let two = [("b.service", vec![seen(7, 70, 1), seen(8, 80, 1)])];
        assert_eq!(one(vec![], &two, &[]).main, Main::None);
        // A record that says that there was none is believed.
        let alone = [("b.service", vec![seen(7, 70, 1)])];
        assert_eq!(one(vec![record("b.service", None, None)], &alone, &[]).main, Main::None);
    }

    #[test]
    fn what_is_of_no_unit_is_left_alone() {
        let paths = ["", "init.scope", "user.slice/session-1.scope", "docker/0123", "a.slice"];
        let groups: Vec<_> = paths.iter().map(|path| ((*path).to_owned(), vec![seen(7, 70, 1)])).collect();
        assert_eq!(decide(vec![], &groups, |_| None), []);
        assert_eq!(unit_of("_memory.service"), Some(("memory.service".to_owned(), "_memory.service")));
    }
}
