//! File systems of one's own.

use perigee_process::Step;

use crate::{both, is_root, shell, text};

fn mount(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Step {
    let (source, target, kind, data) = (text(source), text(target), text(kind), text(data));
    Step::Mount { source, target, kind, flags, data }
}

fn node(path: &str) -> Step {
    Step::Node { path: text(path), mode: libc::S_IFCHR | 0o666, device: 0x103, real: text("/dev/null") }
}

/// In a user namespace no device file can be made: it is the real one then.
#[test]
fn a_device_file_where_none_can_be_made() {
    if !is_root("a_device_file_where_none_can_be_made") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().display().to_string();
    let mut launch = shell(&format!("stat -c '%F %t,%T' {own}/null; echo x > {own}/null && cat {own}/null"));
    launch.environment(vec![text("PATH=/bin:/usr/bin")]);
    let write = |path: &str, line: &str| Step::Write { path: text(path), text: line.into() };
    for step in [
        Step::Unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS),
        write("/proc/self/setgroups", "deny"),
        write("/proc/self/uid_map", "0 0 1"),
        write("/proc/self/gid_map", "0 0 1"),
        mount("", "/", "", libc::MS_SLAVE | libc::MS_REC, ""),
        mount("tmpfs", &own, "tmpfs", 0, "mode=0755,size=1M"),
        node(&format!("{own}/null")),
    ] {
        launch.step(step);
    }
    for printed in both(&launch) {
        assert_eq!(printed, "character special file 1,3");
    }
}

/// A temporary file system, a read-only view, a device, a link; nothing of it outside.
#[test]
fn mounts_that_only_the_child_sees() {
    if !is_root("mounts_that_only_the_child_sees") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("own")).unwrap();
    std::fs::create_dir(path("view")).unwrap();
    let steps = [
        Step::Unshare(libc::CLONE_NEWNS),
        mount("", "/", "", libc::MS_SLAVE | libc::MS_REC, ""),
        mount("tmpfs", &path("own"), "tmpfs", libc::MS_NOSUID, "mode=0700,size=1M"),
        Step::Folder { path: text(&path("own/folder")), mode: 0o711 },
        Step::EmptyFile(text(&path("own/file"))),
        node(&path("own/null")),
        Step::Link { target: text("file"), path: text(&path("own/link")) },
        mount("/usr", &path("view"), "", libc::MS_BIND | libc::MS_REC, ""),
        Step::MountAttributes {
            path: text(&path("view")),
            set: libc::MOUNT_ATTR_RDONLY,
            clear: 0,
            recursive: true,
        },
    ];
    let script = format!(
        "cd {}; ls own | tr '\\n' ' '; readlink own/link; stat -c %a own/folder; echo x > own/null; touch view/x 2>/dev/null || echo read-only",
        folder.path().display()
    );
    let mut launch = shell(&script);
    launch.environment(vec![text("PATH=/bin:/usr/bin")]);
    for step in steps {
        launch.step(step);
    }
    for printed in both(&launch) {
        assert_eq!(printed, "file folder link null file\n711\nread-only");
    }
    assert!(std::fs::read_dir(path("own")).unwrap().next().is_none());
}

/// A root of its own, which is all that there is.
#[test]
fn another_root() {
    if !is_root("another_root") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    for name in ["bin", "lib", "lib64", "usr"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let mut pivoted = shell("cd /; echo *");
    pivoted.step(Step::Unshare(libc::CLONE_NEWNS)).step(mount(
        "",
        "/",
        "",
        libc::MS_SLAVE | libc::MS_REC,
        "",
    ));
    pivoted.step(mount(&root, &root, "", libc::MS_BIND | libc::MS_REC, ""));
    for name in ["bin", "lib", "lib64", "usr"] {
        let here = format!("/{name}");
        pivoted.lenient(mount(&here, &format!("{root}{here}"), "", libc::MS_BIND | libc::MS_REC, ""));
    }
    pivoted.step(Step::Pivot(text(&root)));
    for printed in both(&pivoted) {
        assert_eq!(printed, "bin etc lib lib64 usr");
    }
}
