//! tmpfiles.d, held against systemd-tmpfiles: the same lines on two copies of a system, then the same files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use perigee_setup::tmpfiles::{Report, Request, run};
use perigee_setup::{Given, Root};
use tempfile::TempDir;

use crate::support::{differences, packages, rustix_is_root, system, theirs};

fn request(flags: &str) -> Request {
    let has = |flag: &str| flags.split(' ').any(|given| given == flag);
    let prefix = |name: &str| {
        flags.split(' ').filter_map(|flag| flag.strip_prefix(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    Request {
        create: has("--create"),
        clean: has("--clean"),
        remove: has("--remove"),
        boot: has("--boot"),
        prefixes: prefix("--prefix="),
        excluded: prefix("--exclude-prefix="),
        ..Request::default()
    }
}

/// Whether all went well, as the exit status has it.
fn ours(root: &Path, flags: &str) -> (i32, Report) {
    let report = run(&Root::open(root).unwrap(), &request(flags));
    let failed = report.failed.iter().any(|problem| !problem.tolerated);
    (
        if !report.wrong.is_empty() {
            65
        } else if failed {
            73
        } else {
            0
        },
        report,
    )
}

fn systemd(root: &Path, flags: &str) -> (i32, String) {
    let mut command = Command::new("systemd-tmpfiles");
    let output = command.arg(format!("--root={}", root.display())).args(flags.split(' ')).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Things that lines meet.
fn furnished(lines: &str) -> TempDir {
    let root = system(&[
        ("usr/lib/tmpfiles.d/x.conf", lines),
        ("srv/file", "old"),
        ("srv/dir/a", "a"),
        ("srv/dir/b", "b"),
        ("srv/dir/deep/c", "c"),
        ("srv/dir/deep/run", "r"),
        ("usr/share/factory/srv/made", "factory"),
        ("usr/share/factory/etc/tree/x", "x"),
        ("usr/share/factory/etc/tree/y/z", "z"),
        ("var/old/one", "1"),
        ("var/old/two", "2"),
        ("var/old/keep", "3"),
        ("var/old/sub/three", "3"),
        ("var/old/sub/more/four", "4"),
        ("var/young/five", "5"),
    ]);
    let at = |path: &str| root.path().join(path);
    fs::set_permissions(at("srv/dir/deep/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("dir", at("srv/link")).unwrap();
    symlink("gone", at("srv/broken")).unwrap();
    symlink("/srv/dir", at("srv/absolute")).unwrap();
    for folder in ["srv", "var", "usr"] {
        fs::set_permissions(at(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

#[test]
fn lines_as_systemd_has_them() {
    if !theirs("systemd-tmpfiles", "lines_as_systemd_has_them") {
        return;
    }
    let create = "--create";
    let cases = [
        (create, "d /new/a/b 0700 beacon adm -\nd /new/c\nd /srv/dir 1777 - - -\n"),
        (create, "d /srv/file\n"),
        (create, "d= /srv/file 0750\nf= /srv/dir 0640 - - - text\n"),
        (create, "f /new/file 0640 beacon - - hello\\n\\x41 %o %%\nf /srv/file 0600 - - - new\n"),
        (create, "f+ /srv/file 0600 - - - new\nF /srv/dir/a - - - - other\nf /srv/dir\nf /srv/plain\n"),
        (create, "f /srv/link/x 0644 - - - through\nf /srv/absolute/y\nf /srv/broken/z\nf /srv/link\n"),
        (
            create,
            "w /srv/file - - - - xy\nw+ /srv/dir/a - - - - more\nw /srv/none - - - - x\nw /srv/dir/* - - - - all\n",
        ),
        (create, "w- /srv/dir - - - - x\n"),
        (create, "e /srv/d* 0711 beacon beacon -\ne /srv/none 0700\ne /srv/file 0700\n"),
        (create, "D /new/d 0755\nv /new/v 0750\nq /new/q\nQ /new/q/q 1777\n"),
        (create, "p /new/p\np /srv/p 0600 beacon\np /srv/file\np+ /srv/dir/a\n"),
        (
            create,
            "L /new/l - - - - ../target\nL /srv/link - - - - other\nL+ /srv/broken - - - - other\nL+ /srv/dir - - - - x\n",
        ),
        (create, "L /srv/made\nL /srv/file - - - - x\nL+ /srv/file - - - - %o\n"),
        (create, "c /new/null 0666 - - - 1:3\nb /new/disk - root adm - 7:0\nc /srv/file - - - - 1:3\n"),
        (create, "C /srv/made\nC /etc/tree\nC /srv/dir - - - - /usr/share/factory/etc/tree\nC /srv/none\n"),
        (create, "C /new/copy 0700 beacon - - /srv/dir\n"),
        (create, "d /srv/empty\nC /srv/empty - - - - /srv/dir\n"),
        (
            create,
            "Z /srv/dir/deep 2750 beacon adm\nz /srv/dir 0700 beacon\nz /srv/d*/a 0600\nz /srv/none 0600\n",
        ),
        (create, "Z /srv/dir ~0777\nz /srv/file ~4777\n"),
        (create, "m /srv/file 0600\nz /srv/link 0700 beacon\n"),
        (create, "d /new/a :0700 :beacon :adm\nd /srv/dir :0700 :beacon :adm\n"),
        (
            create,
            "z /srv/file 0600 1000 adm\nz /srv/dir 0700 nobodys\nz /srv/dir - - nobodys\nz /srv/file - 4711 4712\n",
        ),
        (create, "d /new\nd /new\nd /new 0700\nf /new\nz /new 0711\n"),
        (create, "z /new/later 0600\nf /new/later\n"),
        (create, "d! /new/boot\nf+! /new/too\nf- /srv/dir\nd!- /new/x\n"),
        ("--create --boot", "d! /new/boot\nf+! /new/too\nd!- /new/x\n"),
        ("--create --prefix=/srv", "d /srv/one\nd /new/two\nd /srvother/three\nz /srv/* 0700\n"),
        ("--create --exclude-prefix=/srv", "d /srv/one\nd /new/two\nd /srvother/three\n"),
        (
            create,
            "d\nd relative\nd /a/../b\nk /x\nd+= /q\nd /x 0999\nd /x 0755 - - soon\nd!! /x\nw /x\nc /x - - - - nothing\n\
            d /good\n# nothing\n",
        ),
        (
            create,
            "d \"/new/with space\" 0755\nd /new/quo\\x20ted\nd /var/run/x\nd /new/%m/%o/%%\nd /new/%z\n",
        ),
        (create, "t /srv/file - - - - user.one=1 user.two=\"a b\"\nT /srv/dir - - - - user.deep=1\n"),
        (create, "f~ /new/b - - - - aGVsbG8K\nf^ /new/c - - - - cred\nw~ /srv/file - - - - !\n"),
        ("--remove", "r /srv/file\nr /srv/dir\nr /srv/none\nR /srv/dir/d*\nr /srv/broken\n"),
        ("--remove", "R /srv/dir\nR /srv/link\n"),
        ("--remove", "D /srv/dir\nD /srv/none\nD /srv/file\n"),
        ("--remove", "r! /srv/file\nR! /srv/dir\n"),
        ("--remove --boot", "r! /srv/file\nR! /srv/dir\n"),
        ("--create --remove", "D /srv/dir 0750\nR /srv/dir/deep\nf /srv/dir/new\nR /new\nd /new/x\n"),
        ("--create --remove", "r /srv/file\nf /srv/file 0644 - - - again\n"),
        ("--clean", "d /var/old - - - 1h\nd /var/young - - - 1h\n"),
        ("--clean", "d /var/old - - - 0\n"),
        ("--clean", "d /var/old - - - ~0\n"),
        ("--clean", "d /var/old - - - 0\nx /var/old/sub\n"),
        ("--clean", "d /var/old - - - 0\nX /var/old/sub\n"),
        ("--clean", "d /var/old - - - 0\nf /var/old/one\nz /var/old/t* 0600\n"),
        ("--clean", "e /var/o* - - - m:0\nD /var/young - - - 0s\n"),
        ("--clean", "d /var/old\nd /var/young - - - -\n"),
        ("--clean", "d! /var/old - - - 0\n"),
        ("--clean", "r /var/old - - - 0\n"),
    ];
    let mut wrong = Vec::new();
    for (flags, lines) in cases {
        let (one, other) = (furnished(lines), furnished(lines));
        for root in [&one, &other] {
            let kept = root.path().join("var/old/keep");
            fs::set_permissions(kept, fs::Permissions::from_mode(0o400)).unwrap();
            fs::set_permissions(root.path().join("var/old/two"), fs::Permissions::from_mode(0o1644)).unwrap();
        }
        let (mine, report) = ours(one.path(), flags);
        let (its, told) = systemd(other.path(), flags);
        let different = differences(one.path(), other.path());
        if mine != its || !different.is_empty() {
            let said: Vec<_> = report.wrong.iter().chain(&report.failed).map(ToString::to_string).collect();
            wrong.push(format!(
                "{flags} {lines:?}: {mine}, systemd {its}\n  {}\n  {said:?}\n  {told}",
                different.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// The files of this machine, or of packages unpacked into the folder that PERIGEE_PACKAGES names.
#[test]
fn the_files_of_debian() {
    if !theirs("systemd-tmpfiles", "the_files_of_debian") {
        return;
    }
    let (one, other) = (system(&[]), system(&[]));
    for root in [&one, &other] {
        for folder in ["tmpfiles.d", "sysusers.d"] {
            let (from, to) = (packages().join("usr/lib").join(folder), root.path().join("usr/lib"));
            fs::create_dir_all(&to).unwrap();
            assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
        }
        let made = Command::new("systemd-sysusers").arg(format!("--root={}", root.path().display())).output();
        assert!(made.unwrap().status.success());
    }
    for flags in ["--create --remove --boot", "--create", "--clean", "--create --prefix=/run"] {
        let ((mine, report), (its, told)) = (ours(one.path(), flags), systemd(other.path(), flags));
        let said: Vec<_> = report.wrong.iter().chain(&report.failed).map(ToString::to_string).collect();
        assert_eq!(differences(one.path(), other.path()), Vec::<String>::new(), "{flags}: {said:?} {told}");
        assert_eq!(mine, its, "{flags}: {said:?} {told}");
    }
    assert!(one.path().join("run").is_dir());
}

/// Whoever owns a folder cannot lead root out of it by a link.
#[test]
fn links_of_others_lead_nowhere() {
    if !rustix_is_root() {
        eprintln!("SKIPPED links_of_others_lead_nowhere: this is not root");
        return;
    }
    let lines = "d /home/beacon/x/made\nf+ /home/beacon/y - - - - gone\nz /home/beacon/z/passwd 0666\nR /home/beacon/x/*\n";
    let root = system(&[("usr/lib/tmpfiles.d/x.conf", lines), ("srv/file", "kept")]);
    let home = root.path().join("home/beacon");
    fs::create_dir_all(&home).unwrap();
    symlink("/srv", home.join("x")).unwrap();
    symlink("/srv/file", home.join("y")).unwrap();
    symlink("/etc", home.join("z")).unwrap();
    for path in ["", "x", "y", "z"] {
        std::os::unix::fs::lchown(home.join(path), Some(1000), Some(1000)).unwrap();
    }
    let (status, report) = ours(root.path(), "--create --remove");
    assert_eq!(status, 73, "{report:?}");
    assert_eq!(fs::read_to_string(root.path().join("srv/file")).unwrap(), "kept");
    assert!(!root.path().join("srv/made").exists());
    let mode = fs::metadata(root.path().join("etc/passwd")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    // In what root owns a link may lead anywhere.
    chown(&home, Some(0), Some(0)).unwrap();
    for link in ["x", "y", "z"] {
        std::os::unix::fs::lchown(home.join(link), Some(0), Some(0)).unwrap();
    }
    ours(root.path(), "--create");
    assert!(root.path().join("srv/made").is_dir());
}

/// Ages by a clock that the test sets, and by the times that a line names.
#[test]
fn what_is_old_goes() {
    let now = SystemTime::now();
    for (age, later, left) in [
        ("10d", 9, true),
        ("10d", 11, false),
        ("m:1w", 8, false),
        ("c:2w", 8, true),
        ("infinity", 4000, true),
        ("~0", 1, true),
    ] {
        let root =
            system(&[("usr/lib/tmpfiles.d/x.conf", &format!("d /var/old - - - {age}\n")), ("var/old/a", "")]);
        let after = Duration::from_secs(86_400 * later);
        let request = Request { now: Some(now + after), clean: true, ..Request::default() };
        let report = run(&Root::open(root.path()).unwrap(), &request);
        assert!(report.failed.is_empty() && report.wrong.is_empty(), "{report:?}");
        assert_eq!(root.path().join("var/old/a").exists(), left, "{age} after {later} days");
        assert_eq!(report.cleaned, u64::from(!left));
    }
}

#[test]
fn lists_of_access() {
    let lines = "a /srv/f - - - - u:beacon:rw,g:adm:r\na+ /srv/f - - - - u:bin:x\n";
    let root = system(&[("usr/lib/tmpfiles.d/x.conf", lines), ("srv/f", "")]);
    let (_, report) = ours(root.path(), "--create");
    assert!(report.failed.is_empty() && report.wrong.is_empty(), "{report:?}");
    let output = Command::new("getfacl").args(["-n", "-p", "-c"]).arg(root.path().join("srv/f")).output();
    let Ok(output) = output else {
        eprintln!("SKIPPED lists_of_access: getfacl is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let lines: Vec<_> = told.lines().map(|line| line.split('\t').next().unwrap_or_default()).collect();
    let expected =
        ["user::rw-", "user:2:--x", "user:1000:rw-", "group::r--", "group:4:r--", "mask::rwx", "other::r--"];
    assert_eq!(lines, expected);
}

#[test]
fn files_that_are_given() {
    let root = system(&[("usr/lib/tmpfiles.d/x.conf", "d /x\n"), ("usr/lib/tmpfiles.d/y.conf", "d /y\n")]);
    let text = Given::Text("stdin".to_owned(), b"d /z\nd\n".to_vec());
    let given = vec![Given::Name("y.conf".to_owned()), text];
    let report =
        run(&Root::open(root.path()).unwrap(), &Request { create: true, given, ..Request::default() });
    assert_eq!(
        report.wrong.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["stdin:2: the line has no path"]
    );
    let is = |path: &str| root.path().join(path).is_dir();
    assert!(!is("x") && is("y") && is("z"));
}
