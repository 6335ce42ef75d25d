//! Paths that start units, with real files.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use perigee_trigger::path::{Paths, Phase, Said};
use perigee_units::unit::{Host, Source, Unit, UnitName};

struct Watched {
    root: tempfile::TempDir,
    paths: Paths,
    now: Duration,
}

impl Watched {
    /// A unit with this text; `ROOT` stands for a folder of its own.
    fn new(text: &str) -> Watched {
        let root = tempfile::tempdir().unwrap();
        let text = format!("[Path]\n{}", text.replace("ROOT", &root.path().display().to_string()));
        let source = Source { path: "a.path".into(), text: text.into_bytes() };
        let unit = Unit::read(UnitName::parse("a.path").unwrap(), &[source], &Host::default());
        let wrong: Vec<_> = unit.complaints.iter().map(ToString::to_string).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        Watched { root, paths: Paths::read(&unit), now: Duration::ZERO }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn start(&mut self) -> Said {
        let (said, notes) = self.paths.start(false, self.now).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        said
    }

    /// What the kernel has to say: everything until it is quiet, the first that is something.
    fn hear(&mut self) -> Said {
        let mut first = Said::Nothing;
        for turn in 0.. {
            assert!(turn < 20, "it never gets quiet");
            let Some(fd) = self.paths.fd() else { return first };
            let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
            if poll(&mut fds, PollTimeout::from(20_u8)).unwrap() == 0 {
                return first;
            }
            let said = self.paths.ready(self.now).unwrap();
            if first == Said::Nothing {
                first = said;
            }
        }
        unreachable!()
    }

    /// The unit was started for this path, and is down again.
    fn triggers_for(&mut self, name: &str) {
        let expected = Said::Start(self.at(name).display().to_string());
        assert_eq!(self.hear(), expected);
        assert_eq!(self.paths.phase(), Phase::Running);
    }
}

#[test]
fn a_path_that_comes_to_be_through_folders_that_do_not_exist_yet() {
    let mut watched = Watched::new("PathExists=ROOT/a/b/c\nUnit=x.target\n");
    assert_eq!((watched.start(), watched.paths.unit().as_str()), (Said::Nothing, "x.target"));
    fs::create_dir(watched.at("a")).unwrap();
    assert_eq!(watched.hear(), Said::Nothing);
    // Made elsewhere and moved in.
    fs::create_dir(watched.at("new")).unwrap();
    fs::write(watched.at("new/c"), "").unwrap();
    fs::rename(watched.at("new"), watched.at("a/b")).unwrap();
    watched.triggers_for("a/b/c");
    // It stays true: nothing happens while the unit is up, and it is started again when it is down.
    fs::write(watched.at("a/b/c"), "more").unwrap();
    assert_eq!(watched.hear(), Said::Nothing);
    let again = watched.paths.unit_down(Duration::ZERO).unwrap();
    assert!(matches!(again, Said::Start(_)));
    fs::remove_file(watched.at("a/b/c")).unwrap();
    assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
    // The folders themselves go, and come again.
    fs::remove_dir_all(watched.at("a")).unwrap();
    assert_eq!(watched.hear(), Said::Nothing);
    fs::create_dir_all(watched.at("a/b")).unwrap();
    fs::write(watched.at("a/b/c"), "").unwrap();
    watched.triggers_for("a/b/c");
    watched.paths.stop();
    assert!(watched.paths.fd().is_none() && watched.paths.phase() == Phase::Dead);
}

#[test]
fn changed_is_when_a_writer_closes_and_modified_is_every_write() {
    use std::io::Write;
    for (directive, at_write) in [("PathChanged", false), ("PathModified", true)] {
        let mut watched = Watched::new(&format!("{directive}=ROOT/file\n"));
        fs::write(watched.at("file"), "x").unwrap();
        assert_eq!(watched.start(), Said::Nothing, "what is there already is no change");
        let mut file = fs::OpenOptions::new().append(true).open(watched.at("file")).unwrap();
        file.write_all(b"y").unwrap();
        if at_write {
            watched.triggers_for("file");
            assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
        } else {
            assert_eq!(watched.hear(), Said::Nothing);
        }
        drop(file);
        watched.triggers_for("file");
        assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
        // Replaced, as editors do it.
        fs::write(watched.at("other"), "z").unwrap();
        assert_eq!(watched.hear(), Said::Nothing, "a neighbour is no change");
        fs::rename(watched.at("other"), watched.at("file")).unwrap();
        watched.triggers_for("file");
        assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
        // Gone, and there again.
        fs::remove_file(watched.at("file")).unwrap();
        watched.triggers_for("file");
        assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
        fs::write(watched.at("file"), "again").unwrap();
        watched.triggers_for("file");
        // A change while the unit is up is the unit's to see.
        fs::write(watched.at("file"), "meanwhile").unwrap();
        assert_eq!(watched.hear(), Said::Nothing);
        assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
        assert_eq!(watched.hear(), Said::Nothing);
    }
}

#[test]
fn folders_and_patterns() {
    let mut watched = Watched::new("DirectoryNotEmpty=ROOT/spool\nMakeDirectory=yes\nDirectoryMode=0700\n");
    assert_eq!(watched.start(), Said::Nothing);
    assert_eq!(fs::metadata(watched.at("spool")).unwrap().mode() & 0o777, 0o700);
    fs::write(watched.at("spool/.hidden"), "").unwrap();
    assert_eq!(watched.hear(), Said::Nothing);
    fs::write(watched.at("spool/job"), "").unwrap();
    watched.triggers_for("spool");
    fs::remove_file(watched.at("spool/job")).unwrap();
    assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);

    let mut watched = Watched::new("PathExistsGlob=ROOT/*/job-*.txt\n");
    assert_eq!(watched.start(), Said::Nothing);
    fs::create_dir(watched.at("one")).unwrap();
    assert_eq!(watched.hear(), Said::Nothing);
    fs::write(watched.at("one/other.txt"), "").unwrap();
    assert_eq!(watched.hear(), Said::Nothing);
    fs::write(watched.at("one/job-1.txt"), "").unwrap();
    watched.triggers_for("*/job-*.txt");
}

#[test]
fn links_that_turn_elsewhere() {
    let mut watched = Watched::new("PathExists=ROOT/link/file\n");
    fs::create_dir(watched.at("full")).unwrap();
    fs::create_dir(watched.at("empty")).unwrap();
    fs::write(watched.at("full/file"), "").unwrap();
    symlink("empty", watched.at("link")).unwrap();
    assert_eq!(watched.start(), Said::Nothing);
    symlink("full", watched.at("new")).unwrap();
    fs::rename(watched.at("new"), watched.at("link")).unwrap();
    watched.triggers_for("link/file");
}

#[test]
fn several_rules_share_a_folder() {
    let mut watched = Watched::new("PathExists=ROOT/one\nPathChanged=ROOT\nDirectoryNotEmpty=ROOT/two\n");
    assert_eq!(watched.start(), Said::Nothing);
    fs::create_dir(watched.at("two")).unwrap();
    assert_eq!(watched.hear(), Said::Start(watched.root.path().display().to_string()));
    assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
    fs::write(watched.at("two/x"), "").unwrap();
    watched.triggers_for("two");
    fs::remove_file(watched.at("two/x")).unwrap();
    assert_eq!(watched.paths.unit_down(Duration::ZERO).unwrap(), Said::Nothing);
    fs::write(watched.at("one"), "").unwrap();
    assert!(matches!(watched.hear(), Said::Start(_)));
}

#[test]
fn what_stays_true_is_triggered_as_often_as_the_limit_allows() {
    let mut watched = Watched::new("PathExists=ROOT\nTriggerLimitBurst=5\n");
    let mut times = 0;
    let mut said = watched.start();
    while matches!(said, Said::Start(_)) {
        times += 1;
        said = watched.paths.unit_down(Duration::from_millis(times)).unwrap();
    }
    assert_eq!((times, said, watched.paths.phase()), (5, Said::TooOften, Phase::Dead));
    // A unit that is up already is not started.
    let (said, _) = watched.paths.start(true, Duration::ZERO).unwrap();
    assert_eq!((said, watched.paths.phase()), (Said::Nothing, Phase::Running));
}
