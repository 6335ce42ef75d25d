//! Units from disk in a machine: what follows from what they say, and from what they are.

use std::fs;
use std::time::Duration;

use perigee_files::{FindError, SearchPath, load};
use perigee_mount::{Mount, generate};
use perigee_units::machine::{Effect, Event, Machine, RestartPolicy, Verb};
use perigee_units::unit::{Host, UnitKind, UnitName};

/// The steps in which a unit and what it drags along start, when each is ready at once.
fn steps(machine: &mut Machine, unit: &str) -> Vec<String> {
    let unit = machine.unit(unit).expect("it is loaded");
    machine.request(Verb::Start, unit, Duration::ZERO).expect("it can be started");
    let mut steps = Vec::new();
    loop {
        let effects: Vec<_> = std::iter::from_fn(|| machine.effect()).collect();
        let starts = effects.iter().filter_map(|effect| match effect {
            Effect::Start(unit) => Some(*unit),
            _ => None,
        });
        let starts: Vec<_> = starts.collect();
        if starts.is_empty() {
            return steps;
        }
        steps.push(starts.iter().map(|unit| machine.name(*unit)).collect::<Vec<_>>().join(" "));
        starts.into_iter().for_each(|unit| assert!(machine.event(unit, Event::Ready, Duration::ZERO)));
    }
}

#[test]
fn a_small_machine() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("multi.target", "[Unit]\nRequires=basic.target\nAfter=basic.target\n");
    write(
        "basic.target",
        "[Unit]\nRequires=sysinit.target\nWants=sockets.target\nAfter=sysinit.target sockets.target\n",
    );
    write("sysinit.target", "[Unit]\nWants=early.service gone.service\n");
    write("sockets.target", "[Unit]\nWants=web.socket\n");
    write(
        "early.service",
        "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n[Service]\nExecStart=/bin/early\n",
    );
    write("web.socket", "[Socket]\nListenStream=80\n");
    write(
        "web.service",
        "[Unit]\nAfter=db.service\nRequires=database.service\n[Service]\nExecStart=/bin/web\nRestart=always\nRestartSec=5\nTimeoutSec=7\nExecReload=/bin/kill\n",
    );
    write("db.service", "[Service]\nExecStart=/bin/db\nTimeoutStartSec=infinity\n");
    write("multi.target.wants/web.service", "x");
    std::os::unix::fs::symlink("db.service", root.path().join("database.service")).unwrap();
    let search = SearchPath::new(vec![root.path().to_owned()]);
    let name = |text: &str| UnitName::parse(text).unwrap();
    let loaded = load(&search, &Host::default(), &[name("multi.target")]).unwrap();
    let absent: Vec<_> = loaded.absent.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(absent, ["gone.service"]);
    let web = loaded.specs.iter().find(|spec| spec.name == "web.service").unwrap();
    let seven = Some(Duration::from_secs(7));
    assert_eq!((web.start_timeout, web.stop_timeout, web.can_reload), (seven, seven, true));
    assert_eq!((web.restart.policy, web.restart.delay), (RestartPolicy::Always, Duration::from_secs(5)));
    let db = loaded.specs.iter().find(|spec| spec.name == "db.service").unwrap();
    assert_eq!(db.start_timeout, None);
    let mut machine = Machine::new(loaded.specs);
    assert_eq!(
        steps(&mut machine, "multi.target"),
        [
            "early.service",
            "sysinit.target",
            "web.socket",
            "sockets.target",
            "basic.target",
            "db.service",
            "web.service",
            "multi.target"
        ]
    );
    assert!(matches!(load(&search, &Host::default(), &[name("gone.service")]), Err(FindError::Missing(_))));
}

/// Loads one unit out of these, and gives the relations of another.
fn relations(files: &[(&str, &str)], asked: &str, of: &str) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let search = SearchPath::new(vec![root.path().to_owned()]);
    let loaded = load(&search, &Host::default(), &[UnitName::parse(asked).unwrap()]).unwrap();
    let spec =
        loaded.specs.iter().find(|spec| spec.name == of).unwrap_or_else(|| panic!("{of} is not loaded"));
    let mut found: Vec<_> =
        spec.relations.iter().map(|(relation, other)| format!("{relation:?} {other}")).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn paths_need_the_mounts_that_they_lie_on() {
    let service = "[Unit]\nDefaultDependencies=no\nRequiresMountsFor=/srv/data/x\n[Service]\nExecStart=/bin/a\n\
                   StateDirectory=a:link\nWorkingDirectory=-/opt/a\n";
    let mount = "[Unit]\nDefaultDependencies=no\n[Mount]\nWhat=tmpfs\nType=tmpfs\n";
    let files = [
        ("a.service", service),
        ("srv.mount", mount),
        ("srv-data.mount", mount),
        ("srv-data-x-y.mount", mount),
        ("var-lib.mount", mount),
        ("opt-a.mount", mount),
        ("srv-data-x.mount", ""),
    ];
    let both = |names: &[&str]| {
        let pairs = names.iter().flat_map(|name| [format!("After {name}"), format!("Requires {name}")]);
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort();
        pairs
    };
    let needed = both(&["opt-a.mount", "srv-data.mount", "srv.mount", "var-lib.mount"]);
    assert_eq!(relations(&files, "a.service", "a.service"), needed, "a mask is no mount");
    assert_eq!(relations(&files, "srv-data.mount", "srv-data.mount"), both(&["srv.mount"]));
    let bind = "[Unit]\nDefaultDependencies=no\n[Mount]\nWhat=/var/lib/x\nWhere=/srv/b\nOptions=bind\n";
    let files = [&files[..], &[("srv-b.mount", bind)]].concat();
    assert_eq!(relations(&files, "srv-b.mount", "srv-b.mount"), both(&["srv.mount", "var-lib.mount"]));
}

#[test]
fn mounts_and_swap_space_have_their_targets() {
    let mount = |options: &str| format!("[Mount]\nWhat=/dev/x\nType=ext4\nWhere=/mnt\nOptions={options}\n");
    let of = |text: &str| {
        relations(
            &[("mnt.mount", text), ("local-fs.target", "[Unit]\nWants=mnt.mount\n")],
            "local-fs.target",
            "mnt.mount",
        )
    };
    assert_eq!(of(&mount("rw")), ["After local-fs-pre.target", "Conflicts umount.target"]);
    assert_eq!(
        of(&mount("_netdev,nofail")),
        [
            "After network-online.target",
            "After network.target",
            "After remote-fs-pre.target",
            "Conflicts umount.target",
            "Wants network-online.target"
        ]
    );
    assert_eq!(of("[Mount]\nWhat=x\nType=tmpfs\n")[1], "After swap.target");
    let target = |options: &str| {
        let text = mount(options);
        let files = [
            ("mnt.mount", text.as_str()),
            ("local-fs.target", "[Unit]\nDefaultDependencies=no\nRequires=mnt.mount\n"),
        ];
        relations(&files, "local-fs.target", "local-fs.target")
    };
    assert_eq!(target("rw"), ["After mnt.mount", "Requires mnt.mount"]);
    assert_eq!(target("nofail"), ["Requires mnt.mount"], "nobody waits for it");
    let root = "[Mount]\nWhat=/dev/x\nWhere=/\n";
    assert_eq!(relations(&[("-.mount", root)], "-.mount", "-.mount"), Vec::<String>::new(), "the root stays");
    let swap = [("dev-x.swap", "[Swap]\nWhat=/dev/x\n")];
    assert_eq!(relations(&swap, "dev-x.swap", "dev-x.swap"), ["Conflicts umount.target"]);
}

#[test]
fn slices_and_what_is_in_them() {
    let service = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/a\n";
    let named = format!("{service}Slice=station-radio.slice\n");
    let files = [("a.service", named.as_str())];
    let own = ["After station-radio.slice", "Requires station-radio.slice"];
    assert_eq!(relations(&files, "a.service", "a.service"), own);
    let slice = relations(&files, "a.service", "station-radio.slice");
    let expected = ["After station.slice", "Conflicts shutdown.target", "Requires station.slice"];
    assert_eq!(slice, expected, "a slice needs no file");
    assert_eq!(relations(&[("a.service", service)], "a.service", "a.service"), Vec::<String>::new());
    let dropin = ("system.slice.d/limit.conf", "[Slice]\nMemoryMax=1G\n");
    let limited = relations(&[("a.service", service), dropin], "a.service", "a.service");
    assert_eq!(limited, ["After system.slice", "Requires system.slice"]);
    let dropin = ("system-a.slice.d/limit.conf", "[Slice]\nMemoryMax=1G\n");
    let instance = relations(&[("a@.service", service), dropin], "a@b.service", "a@b.service");
    assert_eq!(instance, ["After system-a.slice", "Requires system-a.slice"]);
}

#[test]
fn calendar_timers_come_after_the_clock_is_right() {
    let of = |text: &str| {
        let files = [
            ("a.timer", text),
            ("sysinit.target", "[Unit]\nDescription=x\n"),
            ("a.service", "[Service]\nExecStart=/bin/a\n"),
        ];
        relations(&files, "a.timer", "a.timer")
    };
    let plain = of("[Timer]\nOnBootSec=5\n");
    assert_eq!(plain, ["After sysinit.target", "Conflicts shutdown.target", "Requires sysinit.target"]);
    let calendar = of("[Timer]\nOnCalendar=daily\n");
    assert!(
        calendar.contains(&"After time-sync.target".to_owned())
            && calendar.contains(&"After time-set.target".to_owned())
    );
}

#[test]
fn what_a_unit_says_of_who_may_ask() {
    let root = tempfile::tempdir().unwrap();
    fs::write(
        root.path().join("a.target"),
        "[Unit]\nRefuseManualStart=yes\nRefuseManualStop=yes\nStopWhenUnneeded=yes\nUpholds=b.target\n",
    )
    .unwrap();
    fs::write(root.path().join("b.target"), "[Unit]\nDescription=x\n").unwrap();
    let search = SearchPath::new(vec![root.path().to_owned()]);
    let loaded = load(&search, &Host::default(), &[UnitName::parse("a.target").unwrap()]).unwrap();
    let spec = &loaded.specs[0];
    assert!(spec.stop_when_unneeded && spec.refuse_manual_start && spec.refuse_manual_stop);
    assert!(loaded.specs.iter().any(|spec| spec.name == "b.target"), "what is upheld is loaded");
}

#[test]
fn mounts_of_fstab() {
    let root = tempfile::tempdir().unwrap();
    let line = "tmpfs /srv/data tmpfs size=10% 0 0\n/dev/x none swap nofail 0 0\nbroken\n";
    let folder = root.path().join("generated");
    let notes = generate(line, &folder).unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let units = root.path().join("units");
    fs::create_dir(&units).unwrap();
    fs::write(units.join("local-fs.target"), "[Unit]\nDescription=x\n").unwrap();
    fs::write(units.join("swap.target"), "[Unit]\nDescription=x\n").unwrap();
    let search = SearchPath::new(vec![units, folder.clone()]);
    let names = ["local-fs.target", "swap.target"].map(|name| UnitName::parse(name).unwrap());
    let loaded = load(&search, &Host::default(), &names).unwrap();
    let mount = loaded.units.iter().find(|unit| unit.name.as_str() == "srv-data.mount").unwrap();
    assert_eq!(Mount::read(mount).unwrap().options, "size=10%");
    assert!(loaded.units.iter().any(|unit| unit.name.as_str() == "dev-x.swap"));
    // The next time what is gone is gone.
    generate("", &folder).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn devices_need_no_files() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("agent.service", "[Unit]\nBindsTo=dev-a.device dev-b.device\n[Service]\nExecStart=/bin/agent\n");
    write("dev-b.device.d/time.conf", "[Unit]\nJobRunningTimeoutSec=3\n");
    write("dev-c.device.wants/agent.service", "x");
    write("dev-d.device.requires/agent.service", "x");
    write("agent.service.wants/agent.service", "x");
    let search = SearchPath::new(vec![root.path().to_owned()]);
    let name = |text: &str| UnitName::parse(text).unwrap();
    let wanting: Vec<_> = search.devices().iter().map(ToString::to_string).collect();
    assert_eq!(wanting, ["dev-c.device", "dev-d.device"]);
    let loaded = load(&search, &Host::default(), &[name("dev-c.device")]).unwrap();
    assert!(loaded.absent.iter().all(|(name, _)| name.kind() != UnitKind::Device), "{:?}", loaded.absent);
    for (unit, seconds) in [("dev-a.device", 90), ("dev-b.device", 3), ("dev-c.device", 90)] {
        let spec = loaded.specs.iter().find(|spec| spec.name == unit).unwrap();
        let longest = Some(Duration::from_secs(seconds));
        assert_eq!((spec.appears, spec.job_running_timeout), (true, longest), "{unit}");
    }
    let service = loaded.specs.iter().find(|spec| spec.name == "agent.service").unwrap();
    assert!(!service.appears && service.job_running_timeout.is_none());
}
