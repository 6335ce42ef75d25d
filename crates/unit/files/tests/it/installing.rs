//! Enabling and disabling, held against systemctl: the same requests on two copies of a system, then the same links.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use perigee_files::install::{Change, InstallError, Installation, State};
use perigee_units::unit::UnitName;
use tempfile::TempDir;

/// Every case that the units of a real machine seldom have, in one system.
const UNITS: &[(&str, &str)] = &[
    ("lib/plain.service", "[Service]\nExecStart=/bin/x\n[Install]\nWantedBy=multi-user.target\n"),
    (
        "lib/many.service",
        "[Install]\nWantedBy=multi-user.target graphical.target\nRequiredBy=needs.service\nAlias=other.service dbus-org.example.Many.service\nAlso=many.socket gone.service\n",
    ),
    ("lib/many.socket", "[Socket]\nListenStream=1\n[Install]\nWantedBy=sockets.target\n"),
    ("lib/multi-user.target", "[Unit]\nDescription=x\n"),
    ("lib/rescue.target", "[Unit]\nDescription=x\n[Install]\nAlias=kbrequest.target\n"),
    ("lib/sockets.target", "[Unit]\nDescription=x\n"),
    (
        "lib/getty@.service",
        "[Install]\nWantedBy=multi-user.target\nDefaultInstance=tty1\nAlias=autovt@.service\n",
    ),
    ("lib/bare@.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("lib/bound@.service", "[Install]\nWantedBy=dev-%i.device x-%j-%p.target\n"),
    ("lib/fixed@.service", "[Install]\nWantedBy=wide@.target\nDefaultInstance=one\n"),
    ("lib/wide@.target", "[Unit]\nDescription=x\n"),
    ("lib/static.service", "[Service]\nExecStart=/bin/x\n"),
    ("lib/only-also.service", "[Install]\nAlso=plain.service\n"),
    ("lib/bad-alias.service", "[Install]\nAlias=bad.socket\nWantedBy=multi-user.target\n"),
    (
        "lib/folded.service",
        "[Install]\nAlias=multi-user.target.wants/folded.service needs.service.requires/folded.service\n",
    ),
    ("lib/folded@.service", "[Install]\nAlias=multi-user.target.wants/folded@one.service\n"),
    ("lib/bad-folder.service", "[Install]\nAlias=multi-user.target.wants/other.service\nWantedBy=a.target\n"),
    ("lib/bad-wanted.service", "[Install]\nWantedBy=nothing\nWantedBy=multi-user.target\n"),
    (
        "lib/disk.mount",
        "[Mount]\nWhere=/disk\nWhat=x\n[Install]\nAlias=other.mount\nWantedBy=local-fs.target\n",
    ),
    ("lib/reset.service", "[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy=b.target\n"),
    ("lib/dropped.service", "[Install]\nWantedBy=a.target\n"),
    ("etc/dropped.service.d/x.conf", "[Install]\nWantedBy=c.target\n"),
    ("lib/alias-name.service", "-> plain.service"),
    ("lib/inst@.service", "[Service]\nExecStart=/bin/x\n"),
    ("lib/inst@up.service", "-> inst@.service"),
    ("lib/multi-user.target.wants/static.service", "-> ../static.service"),
    ("lib/multi-user.target.wants/inst@given.service", "-> ../inst@.service"),
    ("lib/masked.service", "-> /dev/null"),
    ("lib/empty.service", ""),
    ("etc/masked-here.service", "-> /dev/null"),
    ("lib/masked-here.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("run/masked-now.service", "-> /dev/null"),
    ("lib/masked-now.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("etc/overruled.service", "[Install]\nAlso=plain.service\n"),
    ("run/overruled.service", "-> /dev/null"),
    ("etc/far.service", "-> /opt/far.service"),
    ("opt/far.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("opt/new.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("etc/own.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("etc/second.service", "-> /lib/systemd/system/plain.service"),
    ("etc/dangling.service", "-> /lib/systemd/system/never.service"),
    ("etc/a.target.wants/dropped.service", "-> /lib/systemd/system/dropped.service"),
    ("run/soon.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("run/graphical.target.wants/plain.service", "-> /lib/systemd/system/plain.service"),
    ("run/multi-user.target.wants/reset.service", "-> /lib/systemd/system/reset.service"),
    ("generated/made.service", "[Install]\nWantedBy=multi-user.target\n"),
];

const PRESET: &str =
    "# presets\ndisable many.*\nenable bound@.service a b\nenable plain.*\ndisable own.service\nenable *\n";

fn systemctl() -> bool {
    let found = Command::new("systemctl").arg("--version").output();
    let version =
        found.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let right = version.starts_with("systemd 252");
    if !right {
        eprintln!("SKIPPED installing, against systemctl: systemctl of systemd 252 is not installed");
    }
    right
}

/// Puts files and links (`-> TARGET`) below a root.
fn system(root: &Path) {
    for (path, text) in UNITS {
        let (folder, name) = path.split_once('/').unwrap();
        let folder = match folder {
            "etc" => "etc/systemd/system",
            "run" => "run/systemd/system",
            "generated" => "run/systemd/generator",
            "lib" => "lib/systemd/system",
            "opt" => "opt",
            other => panic!("{other}"),
        };
        let path = root.join(folder).join(name);
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).unwrap(),
            None => fs::write(&path, text).unwrap(),
        }
    }
    let presets = root.join("etc/systemd/system-preset");
    fs::create_dir_all(&presets).unwrap();
    fs::write(presets.join("50-x.preset"), PRESET).unwrap();
}

/// Every link and file below the folders in which links are made.
fn links(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            match fs::read_link(&path) {
                Ok(target) => {
                    found.insert(name, target.display().to_string());
                }
                Err(_) if path.is_dir() => walk(root, &path, found),
                Err(_) => {
                    found.insert(name, "a file".to_owned());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    for folder in ["etc/systemd/system", "run/systemd/system"] {
        walk(root, &root.join(folder), &mut found);
    }
    found
}

/// One request, by our hand.
fn ours(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut installation = Installation::new(root);
    let (flags, words): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| word.starts_with("--"));
    installation.runtime = flags.contains(&"--runtime");
    installation.force = flags.contains(&"--force");
    let (verb, names) = words.split_first().unwrap();
    let outcome = match *verb {
        "enable" => installation.enable(names),
        "disable" => installation.disable(names),
        "mask" => installation.mask(names),
        "unmask" => installation.unmask(names),
        "preset" => installation.preset(names),
        "preset-all" => installation.preset_all(),
        "set-default" => installation.set_default(names[0]),
        other => panic!("{other}"),
    };
    let failures: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn theirs(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("systemctl");
    command.arg("--root").arg(root).arg("--no-pager").args(arguments).env("SYSTEMD_OFFLINE", "1");
    let output = command.output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.into_owned()) } else { Err(format!("{said}{told}")) }
}

fn state(root: &Path, unit: &str) -> String {
    match Installation::new(root).state(&UnitName::parse(unit).unwrap()) {
        Ok(state) => state.word().to_owned(),
        Err(error) => format!("no state: {error}"),
    }
}

/// The words of `is-enabled` for units that no list has, as both have them.
fn compare_states(one: &Path, other: &Path, units: &[&str], wrong: &mut Vec<String>, after: &str) {
    for unit in units {
        let said = theirs(other, &["is-enabled", unit]);
        let word = said.unwrap_or_else(|said| said.lines().next().unwrap_or_default().to_owned());
        let (mine, word) = (state(one, unit), word.trim().to_owned());
        let same =
            mine == word || mine.starts_with("no state") && word.starts_with("Failed to get unit file");
        if !same {
            wrong.push(format!("after {after}: {unit} is {mine}, systemctl says {word}"));
        }
    }
}

#[test]
fn every_case_as_systemctl_has_it() {
    if !systemctl() {
        return;
    }
    let requests: Vec<Vec<&str>> = [
        "enable plain.service",
        "enable many.service",
        "enable getty@.service",
        "enable getty@tty5.service",
        "enable bare@.service",
        "enable bare@x.service",
        "enable bound@.service",
        "enable bound@sda-b.service",
        "enable fixed@.service",
        "enable static.service",
        "enable only-also.service",
        "enable bad-alias.service",
        "enable bad-wanted.service",
        "enable disk.mount",
        "enable reset.service",
        "enable dropped.service",
        "enable alias-name.service",
        "enable second.service",
        "enable masked.service",
        "enable empty.service",
        "enable masked-here.service",
        "enable masked-now.service",
        "enable far.service",
        "enable own.service",
        "enable soon.service",
        "enable made.service",
        "enable dangling.service",
        "enable gone.service",
        "enable plain.service gone.service",
        "enable --runtime plain.service",
        "enable --force many.service",
        "enable rescue.target",
        "disable plain.service",
        "disable static.service",
        "disable dropped.service",
        "disable alias-name.service",
        "disable second.service",
        "disable masked.service",
        "disable masked-here.service",
        "disable far.service",
        "disable own.service",
        "disable gone.service",
        "disable dangling.service",
        "disable --runtime plain.service",
        "disable --runtime reset.service",
        "disable getty@.service",
        "mask plain.service",
        "mask own.service",
        "mask far.service",
        "mask --force far.service",
        "mask gone.service",
        "mask --runtime plain.service",
        "unmask masked-here.service",
        "unmask plain.service",
        "unmask masked.service",
        "unmask gone.service",
        "unmask --runtime masked-now.service",
        "preset plain.service",
        "preset many.service",
        "preset bound@.service",
        "preset reset.service",
        "preset own.service",
        "preset alias-name.service",
        "preset bare@.service",
        "preset gone.service",
        "set-default rescue.target",
        "set-default plain.service",
        "set-default gone.target",
        "set-default multi-user.target",
    ]
    .iter()
    .map(|line| line.split(' ').collect())
    .collect();
    let units = [
        "getty@tty1.service",
        "getty@tty5.service",
        "bound@sda-b.service",
        "inst@given.service",
        "inst@other.service",
        "gone.service",
        "autovt@tty1.service",
        "default.target",
    ];
    let mut wrong = Vec::new();
    for request in &requests {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        system(one.path());
        system(other.path());
        let named = request.join(" ");
        pair(one.path(), other.path(), request, &mut wrong);
        compare_lists(one.path(), other.path(), &mut wrong, &named);
        compare_states(one.path(), other.path(), &units, &mut wrong, &named);
        // And back again, from what it has become.
        let back = match request[0] {
            "enable" => "disable",
            "mask" => "unmask",
            _ => continue,
        };
        let request: Vec<_> = std::iter::once(back).chain(request[1..].iter().copied()).collect();
        pair(one.path(), other.path(), &request, &mut wrong);
    }
    alike(&wrong);
}

/// Fails with the first differences.
fn alike(wrong: &[String]) {
    let first: Vec<_> = wrong.iter().take(30).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), first.join("\n"));
}

/// One request on both, and then the same links.
fn pair(one: &Path, other: &Path, request: &[&str], wrong: &mut Vec<String>) {
    let (mine, its) = (ours(one, request), theirs(other, request));
    let named = request.join(" ");
    let (mine_links, its_links) = (links(one), links(other));
    // Without a running systemd, systemctl tells of a unit that is missing and ends well; with one it fails, as we do.
    let missing = request[0] == "disable" && mine.as_ref().is_err_and(|told| told.contains("does not exist"));
    if mine.is_ok() != its.is_ok() && !missing {
        wrong.push(format!("{named}: {mine:?}, systemctl {its:?}"));
    }
    for (path, target) in &mine_links {
        if its_links.get(path) != Some(target) {
            wrong.push(format!("{named}: {path} -> {target}, systemctl {:?} ({its:?})", its_links.get(path)));
        }
    }
    for path in its_links.keys().filter(|path| !mine_links.contains_key(*path)) {
        wrong.push(format!("{named}: no {path}, which systemctl has ({mine:?}, {its:?})"));
    }
}

/// The unit files of this machine, or of packages unpacked into the folder that PERIGEE_PACKAGES names.
#[test]
fn the_units_of_debian_as_systemctl_has_them() {
    if !systemctl() {
        return;
    }
    let from = std::env::var_os("PERIGEE_PACKAGES").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let roots: [TempDir; 2] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for root in &roots {
        for folder in ["lib/systemd", "usr/lib/systemd"] {
            let (from, to) = (from.join(folder), root.path().join(folder));
            // Where /usr is merged both are one.
            if from.is_dir() && from.canonicalize().unwrap() == from {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                assert!(Command::new("cp").arg("-a").arg(&from).arg(&to).status().unwrap().success());
            }
        }
        if !root.path().join("lib").exists() {
            symlink("usr/lib", root.path().join("lib")).unwrap();
        }
    }
    let [one, other] = roots.each_ref().map(TempDir::path);
    let listed = Installation::new(one).list().unwrap();
    assert!(listed.len() > 50, "only {} units were found", listed.len());
    let names: Vec<String> = listed.iter().map(|unit| unit.name.to_string()).collect();
    let mut wrong = Vec::new();
    compare_lists(one, other, &mut wrong, "nothing");
    for verb in ["enable", "mask", "unmask", "disable", "preset"] {
        for name in &names {
            pair(one, other, &[verb, name], &mut wrong);
        }
        compare_lists(one, other, &mut wrong, verb);
    }
    alike(&wrong);
}

fn compare_lists(one: &Path, other: &Path, wrong: &mut Vec<String>, after: &str) {
    let mine: BTreeMap<String, (State, &str)> = Installation::new(one)
        .list()
        .unwrap()
        .into_iter()
        .map(|unit| {
            let preset = match unit.preset {
                Some(true) => "enabled",
                Some(false) => "disabled",
                None => "-",
            };
            (unit.name.to_string(), (unit.state, preset))
        })
        .collect();
    let its = theirs(other, &["list-unit-files", "--no-legend", "--full"]).unwrap();
    let mut seen = 0;
    for line in its.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, state, preset] = words[..] else { panic!("{line}") };
        seen += 1;
        let found = mine.get(name).map(|(state, preset)| (state.word(), *preset));
        if found != Some((state, preset)) {
            wrong.push(format!("after {after}: {name} is {found:?}, systemctl lists {state} {preset}"));
        }
    }
    if seen != mine.len() {
        wrong.push(format!("after {after}: {} are listed, by systemctl {seen}", mine.len()));
    }
}

/// What is done is told, in its order.
#[test]
fn changes_are_told() {
    let root = tempfile::tempdir().unwrap();
    system(root.path());
    let installation = Installation::new(root.path());
    let linked = |path: &str, target: &str| Change::Linked {
        path: format!("/etc/systemd/system/{path}"),
        target: format!("/lib/systemd/system/{target}"),
    };
    let outcome = installation.enable(&["getty@.service"]);
    assert_eq!(
        outcome.changes,
        [
            linked("autovt@.service", "getty@.service"),
            linked("multi-user.target.wants/getty@tty1.service", "getty@.service")
        ]
    );
    assert!(outcome.has_rules && outcome.failures.is_empty());
    assert!(
        installation.enable(&["getty@.service"]).changes.is_empty(),
        "a second time nothing is left to do"
    );
    let outcome = installation.enable(&["reset.service"]);
    let unwanted = Change::Unwanted {
        unit: UnitName::parse("reset.service").unwrap(),
        by: UnitName::parse("b.target").unwrap(),
    };
    assert_eq!(outcome.changes, [linked("b.target.wants/reset.service", "reset.service"), unwanted]);
    assert!(!installation.enable(&["static.service"]).has_rules);
    let failures = installation.enable(&["../x", "plain.service"]).failures;
    assert!(matches!(failures[..], [InstallError::Name(_) | InstallError::Missing(_)]), "{failures:?}");
    let outcome = installation.disable(&["getty@.service"]);
    let removed = |path: &str| Change::Removed(format!("/etc/systemd/system/{path}"));
    assert_eq!(
        outcome.changes,
        [removed("autovt@.service"), removed("multi-user.target.wants/getty@tty1.service")]
    );
    assert!(!root.path().join("etc/systemd/system/multi-user.target.wants").exists());
}

/// All units at once, as systemctl does it where every unit can be read.
#[test]
fn presets_of_all_units() {
    let system = |root: &Path| {
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let wanted = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
        for name in ["on.service", "off.service", "hidden.service", "many@.service"] {
            write(&format!("lib/systemd/system/{name}"), wanted);
        }
        write("lib/systemd/system/static.service", "[Service]\nExecStart=/bin/true\n");
        write("lib/systemd/system/multi-user.target", "[Unit]\n");
        let rules = "disable off.*\nenable many@.service a b\nenable *\n";
        write("etc/systemd/system-preset/50-x.preset", rules);
        let wants = root.join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink("/lib/systemd/system/off.service", wants.join("off.service")).unwrap();
        symlink("/dev/null", root.join("etc/systemd/system/hidden.service")).unwrap();
    };
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    system(own.path());
    system(other.path());
    ours(own.path(), &["preset-all"]).unwrap();
    let found = links(own.path());
    let names: Vec<_> = found.keys().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["hidden.service", "many@a.service", "many@b.service", "on.service"]);
    if Command::new("systemctl").arg("--version").output().is_err() {
        eprintln!("SKIPPED part of presets_of_all_units: there is no systemctl here to compare with");
        return;
    }
    let told = theirs(other.path(), &["preset-all"]);
    assert_eq!(found, links(other.path()), "{told:?}");
}

/// A system with a unit of a package, its drop-in, and one of an administrator's own.
fn edited() -> (TempDir, Installation) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n"),
        ("usr/lib/systemd/system/a.service.d/10-package.conf", "[Service]\nNice=1\n"),
        ("etc/systemd/system/own.service", "[Service]\nExecStart=/bin/own\n"),
        ("usr/lib/systemd/system/multi.target", "[Unit]\nDescription=x\n"),
        ("usr/lib/systemd/system/e.service", "[Service]\nType=exec\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let installation = Installation::new(root.path());
    (root, installation)
}

#[test]
fn what_is_edited_is_checked_and_reverted() {
    let (root, installation) = edited();
    let name = |text: &str| UnitName::parse(text).unwrap();
    let draft = installation.draft(&name("a.service"), Some("override.conf")).unwrap();
    assert_eq!(draft.path, root.path().join("etc/systemd/system/a.service.d/override.conf"));
    assert_eq!((draft.text.as_str(), draft.others.len(), draft.full), ("", 2, false));
    assert_eq!(draft.check("[Service]\nNice=5\n"), [] as [&str; 0]);
    let wrong = draft.check("[Service]\nNice=many\nNiec=5\nExecStart=\n");
    assert_eq!(wrong.len(), 3, "a value, a name, and nothing left to start: {wrong:?}");
    assert!(wrong.iter().any(|line| line.contains("override.conf:2")), "{wrong:?}");
    draft.keep("[Service]\nNice=5\n").unwrap();
    assert_eq!(
        installation.draft(&name("a.service"), Some("override.conf")).unwrap().text,
        "[Service]\nNice=5\n"
    );
    // The whole file begins with what counts now.
    let full = installation.draft(&name("a.service"), None).unwrap();
    assert_eq!(full.text, "[Service]\nExecStart=/bin/a\n");
    assert_eq!((full.path.clone(), full.others.len()), (root.path().join("etc/systemd/system/a.service"), 2));
    assert_eq!(full.check("[Service]\nNice=5\n").len(), 1, "no command");
    full.keep("[Service]\nExecStart=/bin/b\n").unwrap();
    assert_eq!(installation.draft(&name("a.service"), None).unwrap().text, "[Service]\nExecStart=/bin/b\n");
    // What was wrong before is not the fault of another file.
    let e = installation.draft(&name("e.service"), Some("x.conf")).unwrap();
    assert_eq!(e.check("[Service]\nExecStart=/bin/e\n"), [] as [&str; 0]);
    // Limits that were set while it ran go too; what is the package's stays.
    let control = root.path().join("run/systemd/system.control/a.service.d");
    fs::create_dir_all(&control).unwrap();
    fs::write(control.join("50-CPUWeight.conf"), "[Service]\nCPUWeight=1\n").unwrap();
    fs::write(control.join("notes.txt"), "mine").unwrap();
    let outcome = installation.revert(&["a.service", "own.service"]);
    let removed: Vec<_> = outcome.changes.iter().map(|change| format!("{change:?}")).collect();
    assert_eq!(removed.len(), 3, "{removed:?}");
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    assert!(!root.path().join("etc/systemd/system/a.service.d").exists());
    assert!(control.join("notes.txt").exists(), "what is no drop-in is left alone");
    assert!(root.path().join("etc/systemd/system/own.service").exists(), "there is no other one");
    assert_eq!(installation.files_of(&name("a.service")).unwrap().len(), 2);
    // A mask is an administrator's too.
    installation.mask(&["a.service"]);
    assert_eq!(installation.revert(&["a.service"]).changes.len(), 1);
    assert!(matches!(installation.draft(&name("gone.service"), None), Err(InstallError::Missing(_))));
    let mut forced = installation.clone();
    forced.force = true;
    assert_eq!(forced.draft(&name("gone.service"), None).unwrap().text, "");
    // A pipe in the place of a file is no reason to wait for ever.
    let pipe = root.path().join("etc/systemd/system/p.service");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(installation.draft(&name("p.service"), None).is_err());
}

#[test]
fn units_are_wanted_without_a_section() {
    let (root, installation) = edited();
    let outcome = installation.add_dependency("multi.target", &["a.service", "own.service"], false);
    assert_eq!((outcome.changes.len(), outcome.failures.len()), (2, 0), "{outcome:?}");
    assert_eq!(installation.add_dependency("multi.target", &["a.service"], false).changes, []);
    let outcome = installation.add_dependency("multi.target", &["a.service"], true);
    assert_eq!(outcome.changes.len(), 1);
    let link = root.path().join("etc/systemd/system/multi.target.requires/a.service");
    assert_eq!(fs::read_link(link).unwrap(), Path::new("/usr/lib/systemd/system/a.service"));
    for (by, units) in
        [("gone.target", &["a.service"][..]), ("multi.target", &["own.service", "gone.service"]), ("x", &[])]
    {
        let outcome = installation.add_dependency(by, units, true);
        assert_eq!((outcome.changes.len(), outcome.failures.len()), (0, 1), "{by} {units:?}");
    }
}
