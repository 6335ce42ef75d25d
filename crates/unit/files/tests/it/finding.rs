//! Units as they lie on disk: which file counts, and what belongs to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use perigee_files::{Files, FindError, SearchPath};
use perigee_units::unit::{Host, Unit, UnitName, Value};
use tempfile::TempDir;

/// Folders `etc` and `lib`, in this order, with files and links (`-> TARGET`) in them.
fn folders(files: &[(&str, &str)]) -> (TempDir, SearchPath) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).unwrap(),
            None => fs::write(&path, text).unwrap(),
        }
    }
    let search =
        SearchPath::new(vec![root.path().join("etc"), root.path().join("lib"), root.path().join("none")]);
    (root, search)
}

fn name(text: &str) -> UnitName {
    UnitName::parse(text).unwrap()
}

fn names(texts: &[&str]) -> Vec<UnitName> {
    texts.iter().map(|text| name(text)).collect()
}

/// Paths from the root.
fn short(root: &Path, paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
}

fn description(files: &Files) -> String {
    let unit = Unit::read(files.name.clone(), &files.sources().unwrap(), &Host::default());
    match unit.last("Unit", "Description") {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_folder_counts() {
    let (_root, search) = folders(&[
        ("etc/a.service", "[Unit]\nDescription=etc\n"),
        ("lib/a.service", "[Unit]\nDescription=lib\n"),
        ("lib/b.service", "[Unit]\nDescription=b\n"),
    ]);
    assert_eq!(description(&search.find(&name("a.service")).unwrap()), "etc");
    assert_eq!(description(&search.find(&name("b.service")).unwrap()), "b");
    assert_eq!(search.names().unwrap(), names(&["a.service", "b.service"]));
    assert!(matches!(search.find(&name("c.service")), Err(FindError::Missing(_))));
}

#[test]
fn masks() {
    let (_root, search) = folders(&[
        ("etc/a.service", "-> /dev/null"),
        ("lib/a.service", "[Unit]\n"),
        ("etc/b.service", ""),
        ("lib/b.service", "[Unit]\n"),
    ]);
    for unit in ["a.service", "b.service"] {
        assert!(matches!(search.find(&name(unit)), Err(FindError::Masked(..))), "{unit}");
    }
}

#[test]
fn aliases_and_links() {
    let (root, search) = folders(&[
        ("lib/ssh.service", "[Unit]\nDescription=ssh\n"),
        ("etc/sshd.service", "-> /lib/systemd/system/ssh.service"),
        ("etc/other.service", "-> sshd.service"),
        ("opt/far.service", "[Unit]\nDescription=far\n"),
        ("etc/far.service", "-> ../opt/far.service"),
        ("etc/x.service", "-> y.service"),
        ("etc/y.service", "-> x.service"),
        ("etc/z.service", "-> ssh.socket"),
        ("lib/ssh.socket", "[Socket]\n"),
        ("lib/getty@.service", "[Unit]\nDescription=getty on %i\n"),
        ("etc/console@.service", "-> getty@.service"),
        ("etc/autovt@tty9.service", "-> getty@.service"),
    ]);
    let found = search.find(&name("other.service")).unwrap();
    assert_eq!((found.name.as_str(), description(&found).as_str()), ("ssh.service", "ssh"));
    assert_eq!(found.aliases, names(&["other.service", "sshd.service"]));
    assert_eq!(description(&search.find(&name("far.service")).unwrap()), "far");
    assert!(matches!(search.find(&name("x.service")), Err(FindError::Circle(_))));
    assert!(matches!(search.find(&name("z.service")), Err(FindError::Kind(..))));
    for (asked, is) in [
        ("getty@tty1.service", "getty@tty1.service"),
        ("console@tty1.service", "getty@tty1.service"),
        ("autovt@tty9.service", "getty@tty9.service"),
    ] {
        let found = search.find(&name(asked)).unwrap();
        assert_eq!(found.name.as_str(), is);
        assert_eq!(short(root.path(), &[found.fragment.clone().unwrap()]), ["lib/getty@.service"]);
        assert_eq!(description(&found), format!("getty on {}", &is[6..10]));
    }
}

#[test]
fn dropins_in_their_order() {
    let (root, search) = folders(&[
        ("lib/foo-bar@.service", "[Unit]\nDescription=0\n"),
        ("lib/foo-bar@.service.d/30.conf", "[Unit]\nDescription=template\n"),
        ("lib/foo-bar@x.service.d/30.conf", "[Unit]\nDescription=instance\n"),
        ("etc/foo-.service.d/40.conf", "[Unit]\nDescription=prefix\n"),
        ("etc/service.d/10.conf", "[Unit]\nDescription=type\n"),
        ("lib/service.d/40.conf", "[Unit]\nDescription=hidden by the more special one\n"),
        ("lib/service.d/50.conf", "[Unit]\nDescription=masked\n"),
        ("etc/service.d/50.conf", "-> /dev/null"),
        ("etc/service.d/60.txt", "[Unit]\nDescription=no drop-in\n"),
        ("etc/socket.d/70.conf", "[Unit]\nDescription=of another kind\n"),
    ]);
    let found = search.find(&name("foo-bar@x.service")).unwrap();
    assert_eq!(
        short(root.path(), &found.dropins),
        ["etc/service.d/10.conf", "lib/foo-bar@x.service.d/30.conf", "etc/foo-.service.d/40.conf"]
    );
    assert_eq!(description(&found), "prefix");
    let beside = Files::beside(&root.path().join("lib/foo-bar@.service")).unwrap();
    assert_eq!(
        short(root.path(), &beside.dropins),
        ["lib/foo-bar@.service.d/30.conf", "lib/service.d/40.conf", "lib/service.d/50.conf"]
    );
}

#[test]
fn units_that_are_wanted() {
    let (_root, search) = folders(&[
        ("lib/multi-user.target", "[Unit]\n"),
        ("lib/multi-user.target.wants/b.service", "-> ../b.service"),
        ("etc/multi-user.target.wants/a.service", "-> /lib/systemd/system/a.service"),
        ("etc/multi-user.target.wants/b.service", "-> /dev/null"),
        ("etc/multi-user.target.wants/readme", "no unit"),
        ("etc/multi-user.target.requires/c@1.service", "-> ../c@.service"),
    ]);
    let found = search.find(&name("multi-user.target")).unwrap();
    assert_eq!((found.wants, found.requires), (names(&["a.service"]), names(&["c@1.service"])));
}

/// An empty value takes back what was said before, in the unit file and by a drop-in.
#[test]
fn an_empty_value_resets() {
    let (_root, search) = folders(&[
        (
            "lib/a.service",
            "[Unit]\nAfter=a.target b.target\nAfter=\nAfter=c.target\n[Service]\nExecStart=/bin/one\nRestart=always\nRestart=no\n",
        ),
        ("etc/a.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/bin/two\nUser=x\nUser=\n"),
    ]);
    let files = search.find(&name("a.service")).unwrap();
    let unit = Unit::read(files.name.clone(), &files.sources().unwrap(), &Host::default());
    assert_eq!(unit.all("Unit", "After").collect::<Vec<_>>(), [&Value::Units(names(&["c.target"]))]);
    let commands: Vec<_> = unit.all("Service", "ExecStart").collect();
    let [Value::Commands(commands)] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(commands[0].program, "/bin/two");
    assert_eq!(unit.last("Service", "User"), None);
    assert_eq!(unit.all("Service", "Restart").count(), 1, "the last one counts");
}
