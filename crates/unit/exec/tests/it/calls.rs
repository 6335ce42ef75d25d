//! System call filters, on real programs.

use perigee_process::wait::Exit;

use super::{check, is_root, run};

/// A script that does what a shell cannot.
fn python(script: &str) -> String {
    format!("python3 -c '{script}'")
}

fn has_python(test: &str) -> bool {
    let found = std::path::Path::new("/usr/bin/python3").exists();
    if !found {
        eprintln!("SKIPPED {test}: python3 is not installed");
    }
    found
}

#[test]
fn lists() {
    check("SystemCallFilter=@system-service", "echo ok", "ok");
    check("SystemCallFilter=@system-service\nUser=nobody", "echo ok", "ok");
    check("SystemCallFilter=~uname:EXDEV", "uname 2>&1 | sed 's/.*: //'", "Invalid cross-device link");
    check(
        "SystemCallFilter=~uname\nSystemCallErrorNumber=EXDEV",
        "uname 2>&1 | sed 's/.*: //'",
        "Invalid cross-device link",
    );
    let seen = run("SystemCallFilter=~@mount uname", "exec uname");
    assert_eq!(seen.exit, Exit::Signal { signal: 31, core: false });
    let seen = run("SystemCallFilter=@basic-io", "exec true");
    assert!(matches!(seen.exit, Exit::Signal { signal: 31, .. }), "{seen:?}");
    check("SystemCallArchitectures=native", "echo ok", "ok");
    check("SystemCallLog=uname", "uname", "Linux");
}

#[test]
fn restrictions() {
    if !is_root("restrictions") || !has_python("restrictions") {
        return;
    }
    let family = |name: &str| {
        python(&format!(
            "import socket\ntry: socket.socket(socket.{name}); print(\"open\")\nexcept OSError as e: print(e.errno)"
        ))
    };
    let families = "RestrictAddressFamilies=AF_UNIX AF_INET";
    check(families, &family("AF_INET"), "open");
    check(families, &family("AF_INET6"), "97");
    check("RestrictAddressFamilies=~AF_INET6", &family("AF_INET6"), "97");
    check("RestrictAddressFamilies=~AF_INET6", &family("AF_INET"), "open");
    check("RestrictAddressFamilies=none", &family("AF_UNIX"), "97");
    check("RestrictNamespaces=yes", "unshare --net true 2>/dev/null || echo refused", "refused");
    check(
        "RestrictNamespaces=net",
        "unshare --net true && echo made; unshare --ipc true 2>/dev/null || echo refused",
        "made\nrefused",
    );
    check(
        "RestrictNamespaces=~net",
        "unshare --ipc true && echo made; unshare --net true 2>/dev/null || echo refused",
        "made\nrefused",
    );
    check(
        "RestrictRealtime=yes",
        "chrt -r 1 true 2>/dev/null || echo refused; chrt -b 0 true 2>&1 | head -1",
        "refused\nchrt: failed to set pid 0's policy: Operation not permitted"
            .split_once('\n')
            .map_or("", |(first, _)| first),
    );
    let write_execute = python(
        "import mmap\ntry: mmap.mmap(-1, 4096, prot=7); print(\"mapped\")\nexcept OSError as e: print(e.errno)",
    );
    check("MemoryDenyWriteExecute=yes", &write_execute, "1");
    check("MemoryDenyWriteExecute=no", &write_execute, "mapped");
    let set_id = "f=$(mktemp); chmod 4755 $f 2>/dev/null && echo made || echo refused; chmod 755 $f && echo made; rm $f";
    check("RestrictSUIDSGID=yes", set_id, "refused\nmade");
    check("RestrictSUIDSGID=no", set_id, "made\nmade");
    check("LockPersonality=yes", "setarch -R true 2>/dev/null || echo refused", "refused");
    check("ProtectClock=yes", "date -s '2001-01-01' >/dev/null 2>&1 || echo refused", "refused");
    check("PrivateDevices=yes", &python("import ctypes\nprint(ctypes.CDLL(None).iopl(0))"), "-1");
}
