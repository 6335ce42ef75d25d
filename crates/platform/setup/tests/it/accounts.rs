//! sysusers.d, held against systemd-sysusers: the same lines on two copies of a system, then the same tables.

use std::fs;
use std::path::Path;
use std::process::Command;

use perigee_setup::sysusers::{Made, Request, run};
use perigee_setup::{Given, Root};

use crate::support::{differences, packages, system, theirs};

fn ours(root: &Path, given: Vec<Given>, replace: Option<&str>) -> bool {
    let root = Root::open(root).unwrap();
    let request = Request { given, replace: replace.map(str::to_owned), ..Request::default() };
    let report = run(&root, &request);
    report.wrong.is_empty() && report.failed.is_empty()
}

fn systemd(root: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("systemd-sysusers");
    let output = command.arg(format!("--root={}", root.display())).args(arguments).output().unwrap();
    output.status.success()
}

#[test]
fn lines_as_systemd_has_them() {
    if !theirs("systemd-sysusers", "lines_as_systemd_has_them") {
        return;
    }
    let cases = [
        "u one - \"The first one\" /var/lib/one /bin/sh\n",
        "u one 333\n",
        "u one 333\nu two 333\nu three -\n",
        "u one 444:adm\nu two 445:4\nu three -:utmp\nu four -:nobodys\n",
        "g one -\ng two 4\ng three 555\nu three 777\n",
        "u one 1000\ng beacon -\nu beacon -\n",
        "m beacon adm\nm one two\nm beacon utmp\nm alpha adm\n",
        "r - 500-510\nr - 300-301\nu a -\nu b -\ng c -\nu d 700\n",
        "r - 500-502\nu a -\nu b -\nu c -\nu d -\n",
        "u one /etc/passwd\ng two /etc/group\nu three /nowhere\n",
        "u root 0\nu bin 2\ng adm 4\n",
        "u one -\nu one -\nu one 55\ng one -\n",
        "u 1one -\nu o:ne -\nu one.two -\nx one\nu\ng one - too many\nu ok - \"a:b\"\nu ok2 -\n",
        "u %o-x -\nu one - \"On %o %w\"\n",
        "u one 65535\nu two 4294967295\nu three -1\n",
        "u toor 0\n",
        "u one 888\ng one 889\n",
        "g one 890\nu one 891\n",
        "# nothing\n\n",
        "u one -\nm one adm\nm one one\n",
        "g grp 890\nu usr 890:grp\nu other 4:grp\n",
    ];
    let mut wrong = Vec::new();
    for case in cases {
        let file = [("usr/lib/sysusers.d/x.conf", case)];
        let (one, other) = (system(&file), system(&file));
        let (mine, its) = (ours(one.path(), Vec::new(), None), systemd(other.path(), &[]));
        let different = differences(one.path(), other.path());
        // systemd tells of what is wrong, and ends well; so does the command.
        if !its || !different.is_empty() {
            wrong.push(format!("{case:?}: {mine}, systemd {its}\n  {}", different.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// Files hide each other by their names; lines are given; a file is to come.
#[test]
fn which_files_count() {
    if !theirs("systemd-sysusers", "which_files_count") {
        return;
    }
    let files = [
        ("usr/lib/sysusers.d/a.conf", "u hidden -\n"),
        ("etc/sysusers.d/a.conf", "u shown -\n"),
        ("usr/lib/sysusers.d/b.conf", "u second 600\n"),
        ("run/sysusers.d/c.conf", ""),
        ("usr/lib/sysusers.d/c.conf", "u masked -\n"),
        ("usr/lib/sysusers.d/readme", "u none -\n"),
    ];
    let inline = |text: &str| vec![Given::Text("command line".to_owned(), text.as_bytes().to_vec())];
    let named = |name: &str| vec![Given::Name(name.to_owned())];
    for (given, replace, arguments) in [
        (Vec::new(), None, vec![]),
        (inline("u three -\n"), None, vec!["--inline", "u three -"]),
        (named("b.conf"), None, vec!["b.conf"]),
        (named("a.conf"), None, vec!["a.conf"]),
        (named("z.conf"), None, vec!["z.conf"]),
        (
            inline("u new 600\n"),
            Some("/usr/lib/sysusers.d/b.conf"),
            vec!["--replace=/usr/lib/sysusers.d/b.conf", "--inline", "u new 600"],
        ),
        (
            inline("u new 600\n"),
            Some("/usr/lib/sysusers.d/a.conf"),
            vec!["--replace=/usr/lib/sysusers.d/a.conf", "--inline", "u new 600"],
        ),
    ] {
        let (one, other) = (system(&files), system(&files));
        let (mine, its) = (ours(one.path(), given, replace), systemd(other.path(), &arguments));
        assert_eq!(differences(one.path(), other.path()), Vec::<String>::new(), "{arguments:?}");
        assert_eq!(mine, its, "{arguments:?}");
    }
}

/// The files of this machine, or of packages unpacked into the folder that PERIGEE_PACKAGES names.
#[test]
fn the_files_of_debian() {
    if !theirs("systemd-sysusers", "the_files_of_debian") {
        return;
    }
    let from = packages().join("usr/lib/sysusers.d");
    let (one, other) = (system(&[]), system(&[]));
    for root in [&one, &other] {
        let to = root.path().join("usr/lib");
        fs::create_dir_all(&to).unwrap();
        assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
    }
    assert!(ours(one.path(), Vec::new(), None) && systemd(other.path(), &[]));
    assert_eq!(differences(one.path(), other.path()), Vec::<String>::new());
    let before = fs::read_to_string(one.path().join("etc/passwd")).unwrap();
    assert!(before.lines().count() > 4, "{before}");
    assert!(ours(one.path(), Vec::new(), None));
    assert_eq!(
        fs::read_to_string(one.path().join("etc/passwd")).unwrap(),
        before,
        "a second time nothing is done"
    );
}

#[test]
fn what_is_made_is_told() {
    let root = system(&[("usr/lib/sysusers.d/x.conf", "u one 300 \"The one\"\ng two 301\nu bin 2\n")]);
    let report = run(&Root::open(root.path()).unwrap(), &Request { dry_run: true, ..Request::default() });
    let user = Made::User { name: "one".to_owned(), gecos: "The one".to_owned(), ids: (300, 300) };
    assert_eq!(report.made, [Made::Group("two".to_owned(), 301), Made::Group("one".to_owned(), 300), user]);
    assert!(
        !fs::read_to_string(root.path().join("etc/passwd")).unwrap().contains("one"),
        "nothing is written"
    );
}
