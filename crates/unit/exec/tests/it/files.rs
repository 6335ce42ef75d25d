//! Folders that are made for a unit, and what of the file system it sees.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use perigee_units::unit::Privileges;

use super::{check, context, is_root, refused, run, run_as, shell};

#[test]
fn folders_of_a_unit() {
    if !is_root("folders_of_a_unit") {
        return;
    }
    let name = format!("perigee-folders-{}", std::process::id());
    let kinds = [
        ("Runtime", "/run"),
        ("State", "/var/lib"),
        ("Cache", "/var/cache"),
        ("Logs", "/var/log"),
        ("Configuration", "/etc"),
    ];
    let mut lines = "User=daemon\n".to_owned();
    for (kind, _) in kinds {
        lines += &format!("{kind}Directory={name} {name}/below\n{kind}DirectoryMode=0750\n");
    }
    let context = context("a.service", &lines);
    let script =
        "echo $RUNTIME_DIRECTORY $STATE_DIRECTORY $CACHE_DIRECTORY $LOGS_DIRECTORY $CONFIGURATION_DIRECTORY";
    let seen = run_as(&context, &shell(script, Privileges::Unit), &[]).unwrap();
    let expected = kinds.map(|(_, base)| format!("{base}/{name}:{base}/{name}/below")).join(" ");
    assert_eq!(seen.printed, expected);
    for (kind, base) in kinds {
        let metadata = fs::metadata(Path::new(base).join(&name)).unwrap();
        let owner = if kind == "Configuration" { 0 } else { 1 };
        assert_eq!((metadata.permissions().mode() & 0o7777, metadata.uid()), (0o750, owner), "{kind}");
    }
    // What belongs to another goes over to the new one, with all that is in it.
    let state = Path::new("/var/lib").join(&name);
    fs::write(state.join("file"), "x").unwrap();
    let nobody = super::context("a.service", &lines.replace("daemon", "nobody"));
    run_as(&nobody, &shell("exit 0", Privileges::Unit), &[]).unwrap();
    assert_eq!(fs::metadata(state.join("file")).unwrap().uid(), 65_534);
    context.clean();
    assert!(!Path::new("/run").join(&name).exists() && state.exists());
    // Unless it is to stay.
    for (preserve, at_restart, at_stop) in
        [("yes", true, true), ("restart", true, false), ("no", false, false)]
    {
        let lines = format!("RuntimeDirectory={name}\nRuntimeDirectoryPreserve={preserve}");
        let context = super::context("a.service", &lines);
        context.prepare().unwrap();
        context.clean_for_restart();
        assert_eq!(Path::new("/run").join(&name).exists(), at_restart, "{preserve}");
        context.clean();
        assert_eq!(Path::new("/run").join(&name).exists(), at_stop, "{preserve}");
        let _ = fs::remove_dir(Path::new("/run").join(&name));
    }
    for (_, base) in &kinds[1..] {
        fs::remove_dir_all(Path::new(base).join(&name)).unwrap();
    }
}

/// Who owns a folder puts a link in it to what is not his, where the unit wants a folder: it stays whose it is.
#[test]
fn links_of_others_are_not_followed() {
    if !is_root("links_of_others_are_not_followed") {
        return;
    }
    let name = format!("perigee-links-{}", std::process::id());
    let victim = tempfile::tempdir().unwrap();
    fs::write(victim.path().join("file"), "x").unwrap();
    let run = Path::new("/run").join(&name);
    let context = |name: &str| context("a.service", &format!("User=daemon\nRuntimeDirectory={name}"));
    let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    context(&name).prepare().unwrap();
    for link in ["evil", "evil/below"] {
        std::os::unix::fs::symlink(victim.path(), run.join("evil")).unwrap();
        std::os::unix::fs::lchown(run.join("evil"), Some(1), Some(1)).unwrap();
        let error = context(&format!("{name}/{link}")).prepare().unwrap_err();
        assert_eq!(error.status(), 233, "{link}");
        assert_eq!((owner(victim.path()), owner(&victim.path().join("file"))), (0, 0), "{link}");
        assert!(!victim.path().join("below").exists(), "{link}");
        fs::remove_file(run.join("evil")).unwrap();
    }
    // What is handed over is what lies there, and no link is followed for it.
    std::os::unix::fs::symlink(victim.path(), run.join("link")).unwrap();
    fs::create_dir_all(run.join("one/two")).unwrap();
    fs::write(run.join("one/two/file"), "x").unwrap();
    super::context("a.service", &format!("User=nobody\nRuntimeDirectory={name}")).prepare().unwrap();
    let owners = ["", "link", "one", "one/two", "one/two/file"].map(|path| owner(&run.join(path)));
    assert_eq!(owners, [65_534; 5]);
    assert_eq!((owner(victim.path()), owner(&victim.path().join("file"))), (0, 0));
    context(&name).clean();
    assert!(!run.exists() && victim.path().join("file").exists());
    // The superuser may keep a folder elsewhere.
    let state = Path::new("/var/lib").join(&name);
    std::os::unix::fs::symlink(victim.path(), &state).unwrap();
    super::context("a.service", &format!("User=daemon\nStateDirectory={name}")).prepare().unwrap();
    assert_eq!((owner(victim.path()), owner(&victim.path().join("file"))), (1, 1));
    fs::remove_file(state).unwrap();
}

/// `can_write PATH…` and so on, for scripts.
const TOOLS: &str = "w() { for p; do (: > $p/perigee-$$) 2>/dev/null && { rm $p/perigee-$$; echo +$p; } || echo -$p; done; }; ";

#[track_caller]
fn writes(lines: &str, paths: &str, expected: &str) {
    check(lines, &format!("{TOOLS} w {paths} | tr '\\n' ' '"), expected);
}

#[test]
fn what_is_read_only() {
    if !is_root("what_is_read_only") {
        return;
    }
    writes("", "/usr /etc /var/lib /root /tmp", "+/usr +/etc +/var/lib +/root +/tmp");
    writes("ProtectSystem=yes", "/usr /etc /var/lib /root", "-/usr +/etc +/var/lib +/root");
    writes("ProtectSystem=full", "/usr /etc /var/lib /root", "-/usr -/etc +/var/lib +/root");
    writes(
        "ProtectSystem=strict",
        "/usr /etc /var/lib /tmp /root /dev/shm",
        "-/usr -/etc -/var/lib -/tmp +/root +/dev/shm",
    );
    writes(
        "ProtectSystem=strict\nReadWritePaths=/var/lib /tmp",
        "/var /var/lib /tmp",
        "-/var +/var/lib +/tmp",
    );
    writes(
        "ReadOnlyPaths=/var\nReadWritePaths=/var/lib",
        "/var /var/cache /var/lib",
        "-/var -/var/cache +/var/lib",
    );
    writes("ReadOnlyPaths=-/nowhere", "/var", "+/var");
    assert!(refused("ReadOnlyPaths=/nowhere", 226).starts_with("cannot mount /nowhere on /nowhere: "));
    // What one takes away another need not close.
    check(
        "PrivateDevices=yes\nProtectKernelLogs=yes\nProcSubset=pid\nProtectKernelTunables=yes",
        "echo ok",
        "ok",
    );
    writes("ProtectHome=read-only", "/root /home", "-/root -/home");
    let name = format!("perigee-strict-{}", std::process::id());
    writes(
        &format!("ProtectSystem=strict\nRuntimeDirectory={name}"),
        &format!("/run/{name} /run"),
        &format!("+/run/{name} -/run"),
    );
    writes("ProtectControlGroups=yes\nPrivateMounts=yes", "/sys/fs/cgroup", "-/sys/fs/cgroup");
    check(
        "ProtectKernelTunables=yes",
        "(echo x > /proc/sys/kernel/domainname) 2>/dev/null || echo closed; cat /proc/kcore 2>/dev/null | head -c1 | wc -c",
        "closed\n0",
    );
    // Outside nothing has changed.
    writes("", "/usr /etc", "+/usr +/etc");
}

#[test]
fn what_is_hidden() {
    if !is_root("what_is_hidden") {
        return;
    }
    let files = |path: &str| format!("ls -A {path} 2>/dev/null | wc -l");
    check("ProtectHome=yes\nUser=nobody", "ls /root >/dev/null 2>&1 || echo closed", "closed");
    check("ProtectHome=tmpfs", &files("/root"), "0");
    check(
        "InaccessiblePaths=/etc/passwd /usr/share\nCapabilityBoundingSet=",
        "cat /etc/passwd 2>/dev/null; ls /usr/share 2>/dev/null; stat -c %a /etc/passwd /usr/share",
        "0\n0",
    );
    check("ProtectKernelModules=yes", &files("/lib/modules"), "0");
    check(
        "ProtectKernelLogs=yes",
        "head -c1 /dev/kmsg 2>/dev/null | wc -c; dmesg -S >/dev/null 2>&1 || echo refused",
        "0\nrefused",
    );
    let own = run(
        "PrivateTmp=yes",
        "echo x > /tmp/perigee-own; echo x > /var/tmp/perigee-own; ls -A /tmp /var/tmp; stat -c %a /tmp",
    );
    assert_eq!(own.printed, "/tmp:\nperigee-own\n\n/var/tmp:\nperigee-own\n1777");
    assert!(!Path::new("/tmp/perigee-own").exists() && !Path::new("/var/tmp/perigee-own").exists());
    let left = fs::read_dir("/tmp").unwrap().flatten();
    let left = left
        .filter(|e| e.file_name().to_string_lossy().starts_with("perigee-private-perigee-exec-test.service"));
    assert_eq!(left.count(), 0, "the folders are removed");
    check(
        "ProtectProc=invisible\nUser=nobody",
        "ls -d /proc/[0-9]* | wc -l | xargs test 5 -gt && echo few",
        "few",
    );
    check("ProcSubset=pid", "ls /proc/meminfo 2>/dev/null; ls -d /proc/self", "/proc/self");
    check(
        "PrivateDevices=yes",
        "ls /dev | tr '\\n' ' '; echo x > /dev/null; head -c3 /dev/zero | wc -c; [ -c /dev/pts/ptmx ] || echo none",
        &format!("{}3", devices()),
    );
}

/// What a `/dev` of one's own has in it, here.
fn devices() -> String {
    let mut names: Vec<&str> = [
        "core", "fd", "full", "null", "ptmx", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero",
    ]
    .into();
    names.extend(
        ["pts", "shm", "mqueue", "hugepages"].iter().filter(|name| Path::new("/dev").join(name).is_dir()),
    );
    names.extend(fs::symlink_metadata("/dev/log").is_ok().then_some("log"));
    names.sort_unstable();
    names.iter().map(|name| format!("{name} ")).collect()
}

#[test]
fn what_is_elsewhere() {
    if !is_root("what_is_elsewhere") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in [
        "source",
        "target",
        "root",
        "root/usr",
        "root/bin",
        "root/lib",
        "root/lib64",
        "root/proc",
        "root/dev",
        "root/sys",
        "root/run",
        "root/tmp",
    ] {
        fs::create_dir_all(path(name)).unwrap();
    }
    fs::write(path("source/file"), "x\n").unwrap();
    let (source, target) = (path("source"), path("target"));
    check(
        &format!("BindPaths={source}:{target}"),
        &format!("cat {target}/file; echo y > {target}/file"),
        "x",
    );
    check(
        &format!("BindReadOnlyPaths={source}:{target}:norbind"),
        &format!("cat {target}/file; (echo z > {target}/file) 2>/dev/null || echo closed"),
        "y\nclosed",
    );
    check(&format!("BindPaths=-/nowhere:{target}"), "echo ok", "ok");
    check(
        &format!("BindPaths={source}:/perigee-new/place\nTemporaryFileSystem=/perigee-new"),
        "cat /perigee-new/place/file",
        "y",
    );
    let _ = fs::remove_dir("/perigee-new");
    check(
        "TemporaryFileSystem=/var:ro,size=1M\nBindPaths=/var/lib/dpkg",
        "ls /var /var/lib; (: > /var/x) 2>/dev/null || echo closed",
        "/var:\nlib\n\n/var/lib:\ndpkg\nclosed",
    );
    check("TemporaryFileSystem=/srv", "echo x > /srv/file && ls /srv", "file");
    check(
        "NoExecPaths=/\nExecPaths=/usr /bin /lib /lib64",
        &format!("cp /bin/true {source}/; {source}/true 2>/dev/null || echo refused"),
        "refused",
    );
    let binds = "BindReadOnlyPaths=/usr /bin -/lib -/lib64";
    let root = path("root");
    check(
        &format!("RootDirectory={root}\n{binds}\nMountAPIVFS=yes"),
        "cd /; echo *; ls -d /proc/self /dev/null",
        "bin dev lib lib64 proc root run sys tmp usr\n/dev/null\n/proc/self".replace("root ", "").as_str(),
    );
    // Only what is run at the start is put there.
    let lines = format!("RootDirectory={root}\n{binds}\nRootDirectoryStartOnly=yes");
    let context = context("a.service", &lines);
    let seen = run_as(&context, &shell("cd /; echo *", Privileges::Unit), &[]).unwrap();
    assert_eq!(seen.printed, "bin dev lib lib64 proc run sys tmp usr");
}

#[test]
fn namespaces() {
    if !is_root("namespaces") {
        return;
    }
    let here = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
    let differs = |lines: &str, kind: &str| {
        check(lines, &format!("[ $(readlink /proc/self/ns/{kind}) != '{}' ] && echo own", here(kind)), "own");
    };
    differs("PrivateNetwork=yes", "net");
    check(
        "PrivateNetwork=yes",
        "grep -q 127.0.0.1 /proc/net/fib_trie && echo up; grep -c : /proc/net/dev",
        "up\n1",
    );
    differs("PrivateIPC=yes", "ipc");
    differs("PrivateMounts=yes", "mnt");
    differs("ProtectHostname=yes", "uts");
    check("ProtectHostname=yes", "hostname other 2>/dev/null || echo refused", "refused");
    for (directive, kind, flag) in
        [("NetworkNamespacePath", "net", "--net"), ("IPCNamespacePath", "ipc", "--ipc")]
    {
        let mut holder = std::process::Command::new("unshare").args([flag, "sleep", "100"]).spawn().unwrap();
        let path = format!("/proc/{}/ns/{kind}", holder.id());
        let link =
            || fs::read_link(&path).map(|link| link.display().to_string()).unwrap_or_else(|_| here(kind));
        while link() == here(kind) {
            std::thread::yield_now();
        }
        check(&format!("{directive}={path}"), &format!("readlink /proc/self/ns/{kind}"), &link());
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
    for (flags, own) in [("shared", "shared"), ("slave", ""), ("private", "")] {
        let root = "sed -n 's/^[^/]*\\/[^ ]* \\/ [^ ]* \\([a-z]*\\).*/\\1/p' /proc/self/mountinfo";
        check(&format!("MountFlags={flags}"), root, own);
    }
    refused("NetworkNamespacePath=/nowhere", 225);
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("SKIPPED namespaces, of keys: python3 is not installed");
        return;
    }
    // KEYCTL_GET_KEYRING_ID of the session's, of the same for all, and KEYCTL_READ of what is in it.
    let number = libc::SYS_keyctl;
    let script = format!(
        "python3 -c 'import ctypes; c = ctypes.CDLL(None).syscall; b = (ctypes.c_int * 64)(); i = c({number}, 0, -3, 0); u = c({number}, 0, -4, 1); n = c({number}, 11, -3, b, 256); print(i, u in b[: n // 4])'"
    );
    let keys = |mode: &str| {
        let printed = run(&format!("KeyringMode={mode}"), &script).printed;
        let (number, linked) = printed.split_once(' ').unwrap();
        (number.to_owned(), linked == "True")
    };
    let (inherited, _) = keys("inherit");
    assert_eq!(keys("inherit").0, inherited);
    assert!(keys("private").0 != inherited && !keys("private").1);
    assert!(keys("shared").0 != inherited && keys("shared").1);
}
