//! Units from disk in a machine: what follows from what they say, and from what they are.

use std::fs;
use std::time::Duration;

use perigee_init::files::load;
use perigee_init::files::{FindError, SearchPath};
use perigee_units::machine::{Effect, Event, Machine, RestartPolicy, Verb};
use perigee_units::unit::{Host, UnitName};

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
