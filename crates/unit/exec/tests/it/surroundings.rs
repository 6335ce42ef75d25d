//! Variables, folders, limits, scheduling, streams.

use perigee_process::wait::Exit;
use perigee_units::unit::Privileges;

use super::{check, context, first_command, is_root, refused, run, run_as, shell, status};

#[test]
fn variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let one = file("one.env", "# of one\nB=from one\nC='two\nlines'\n");
    let two = file("two.env", "C=\"three\"\nno assignment\n");
    check("Environment=A=1 \"B=2 3\"\nEnvironment=A=4", "echo $A/$B", "4/2 3");
    check(
        &format!("Environment=A=1 B=2\nEnvironmentFile={one}"),
        "echo \"$A/$B/$C\"",
        "1/from one/two\nlines",
    );
    check(
        &format!("EnvironmentFile=-{one}.none\nEnvironmentFile={}/*.none", folder.path().display())
            .replace("EnvironmentFile=/", "EnvironmentFile=-/"),
        "echo ok",
        "ok",
    );
    let seen = run(&format!("EnvironmentFile={}/*.env", folder.path().display()), "echo $C");
    assert_eq!(
        (seen.printed.as_str(), seen.notes),
        ("three", vec![format!("{two}:2: the line is not NAME=VALUE")])
    );
    assert!(refused("EnvironmentFile=/nowhere", 203).contains("/nowhere"));
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(&format!("EnvironmentFile={}", fifo.display()), 203);
    check("Environment=A=1 B=2\nUnsetEnvironment=A B=3", "echo ${A-none}/$B", "none/2");
    // Of its own environment the supervisor passes on nothing else.
    check(
        "PassEnvironment=CARGO_PKG_NAME NOBODY_HAS_THIS",
        "echo $CARGO_PKG_NAME/$CARGO_PKG_VERSION",
        "perigee-exec/",
    );
    check(
        "",
        "echo $PATH; pwd; umask",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n/\n0022",
    );
    check("", "[ $SYSTEMD_EXEC_PID = $$ ] && echo same", "same");
    let context = context("a.service", "");
    let watchdog = [("WATCHDOG_USEC", "5".to_owned())];
    let seen = run_as(
        &context,
        &shell("[ $WATCHDOG_PID = $$ ] && echo $WATCHDOG_USEC", Privileges::Unit),
        &watchdog,
    );
    assert_eq!(seen.unwrap().printed, "5");
}

#[test]
fn programs_are_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("perigee-look");
    std::fs::write(&path, "#!/bin/sh\necho found $1 $PATH\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines = format!("ExecSearchPath={}\nEnvironment=A='b c'", folder.path().display());
    let seen = run_as(&context("a.service", &lines), &first_command("perigee-look ${A}"), &[]).unwrap();
    assert_eq!(seen.printed, format!("found b c {}", folder.path().display()));
    let seen = run_as(&context("a.service", ""), &first_command("echo ${A}x"), &[]).unwrap();
    assert_eq!(seen.printed, "x");
    let error = run_as(&context("a.service", ""), &first_command("perigee-look"), &[]).unwrap_err();
    assert_eq!(error.status(), 203);
    assert!(error.to_string().contains("cannot execute perigee-look"), "{error}");
}

#[test]
fn working_directory_and_mask() {
    check("WorkingDirectory=/usr", "pwd", "/usr");
    check("WorkingDirectory=-/nowhere", "pwd", "/");
    assert!(refused("WorkingDirectory=/nowhere", 200).contains("`-`"));
    check("UMask=0077", "umask", "0077");
    check("IgnoreSIGPIPE=no", &status("SigIgn"), "0000000000000000");
    check("", &status("SigIgn"), "0000000000001000");
}

#[test]
fn limits() {
    // As with systemd, whatever the supervisor has.
    check("", "ulimit -Sn", "1024");
    for (line, flag, expected) in [
        ("LimitNOFILE=77:99", "n", "77\n99"),
        // Fewer than are open at the time: what the beginning needs is opened all the same.
        ("LimitNOFILE=4:4\nPrivateTmp=yes\nReadOnlyPaths=/etc\nOOMScoreAdjust=100", "n", "4\n4"),
        ("LimitCORE=0", "c", "0\n0"),
        ("LimitFSIZE=1M", "f", "2048\n2048"),
        ("LimitSTACK=1M", "s", "1024\n1024"),
        ("LimitDATA=64M", "d", "65536\n65536"),
        ("LimitAS=256M", "v", "262144\n262144"),
        ("LimitCPU=10min", "t", "600\n600"),
        ("LimitMEMLOCK=4K", "l", "4\n4"),
        ("LimitNPROC=500", "p", "500\n500"),
    ] {
        check(line, &format!("ulimit -S{flag}; ulimit -H{flag}"), expected);
    }
    for (line, name, expected) in [
        ("LimitRSS=1M", "Max resident set", "1048576 1048576"),
        ("LimitLOCKS=5", "Max file locks", "5 5"),
        ("LimitSIGPENDING=6", "Max pending signals", "6 6"),
        ("LimitMSGQUEUE=1K", "Max msgqueue size", "1024 1024"),
        ("LimitNICE=0", "Max nice priority", "0 0"),
        ("LimitRTPRIO=0", "Max realtime priority", "0 0"),
        ("LimitRTTIME=5ms", "Max realtime timeout", "5000 5000"),
    ] {
        let script = format!("sed -n 's/^{name} *\\([0-9]*\\) *\\([0-9]*\\) .*/\\1 \\2/p' /proc/self/limits");
        check(line, &script, expected);
    }
}

/// Beyond what the supervisor has, without the right to raise it, a limit is a note.
#[test]
fn a_limit_that_cannot_be_raised() {
    let (_, highest) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK).unwrap();
    let (effective, _) = perigee_process::this::capabilities().unwrap();
    if effective >> 24 & 1 == 1 || highest == u64::MAX {
        eprintln!("SKIPPED a_limit_that_cannot_be_raised: this process may raise every limit");
        return;
    }
    let seen = run("LimitMEMLOCK=infinity", "ulimit -Hl");
    assert_eq!(seen.printed, (highest / 1024).to_string());
    assert!(seen.notes.len() == 1 && seen.notes[0].contains("CAP_SYS_RESOURCE"), "{:?}", seen.notes);
}

#[test]
fn scheduling() {
    check("Nice=7", "cut -d' ' -f19 /proc/self/stat", "7");
    check("OOMScoreAdjust=321", "cat /proc/self/oom_score_adj", "321");
    check("CoredumpFilter=private-anonymous shared-anonymous", "cat /proc/self/coredump_filter", "00000003");
    check("IOSchedulingClass=idle", "ionice", "idle");
    check("IOSchedulingClass=best-effort\nIOSchedulingPriority=6", "ionice", "best-effort: prio 6");
    check("CPUSchedulingPolicy=batch", "cut -d' ' -f41 /proc/self/stat", "3");
    check("CPUAffinity=0", &status("Cpus_allowed_list"), "0");
    check("TimerSlackNSec=123us", "cat /proc/$$/timerslack_ns", "123000");
    check("NUMAPolicy=local\nNUMAMask=0", "head -1 /proc/self/numa_maps | cut -d' ' -f2", "local");
    if cfg!(target_arch = "x86_64") {
        check("Personality=x86", "uname -m", "i686");
    }
    // Real-time scheduling may be refused, by a container or by a control group; then that is told.
    let seen = run(
        "CPUSchedulingPolicy=rr\nCPUSchedulingPriority=5\nCPUSchedulingResetOnFork=yes",
        "cut -d' ' -f40,41 /proc/$$/stat",
    );
    match seen.notes.as_slice() {
        [] => assert_eq!(seen.printed, "5 2"),
        [note] => assert!(note.starts_with("CPUSchedulingPolicy: "), "{note}"),
        notes => panic!("{notes:?}"),
    }
}

#[test]
fn streams() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("in"), "given").unwrap();
    check("StandardInput=null", "cat; echo end", "end");
    check(&format!("StandardInput=file:{}", path("in")), "cat", "given");
    check("StandardInput=data\nStandardInputText=one two\nStandardInputText=three", "cat", "one two\nthree");
    check("StandardInputData=aGVsbG8=", "cat", "hello");
    check("StandardOutput=null", "echo lost; echo lost >&2", "");
    check("StandardOutput=null\nStandardError=journal", "echo lost; echo seen >&2", "seen");
    check("StandardError=null", "echo seen; echo lost >&2", "seen");
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    check(&format!("StandardOutput=file:{}", path("out")), "echo one; echo two >&2", "");
    assert_eq!(read("out"), "one\ntwo\n");
    check(&format!("StandardOutput=file:{}", path("out")), "echo ONE", "");
    assert_eq!(read("out"), "ONE\ntwo\n");
    check(
        &format!("StandardOutput=append:{}\nStandardError=journal", path("out")),
        "echo three; echo log >&2",
        "log",
    );
    assert_eq!(read("out"), "ONE\ntwo\nthree\n");
    check(&format!("StandardOutput=truncate:{}", path("out")), "echo four", "");
    assert_eq!(read("out"), "four\n");
    assert!(refused("StandardOutput=file:/nowhere/out", 209).contains("StandardOutput="));
    assert!(refused("StandardInput=file:/nowhere/in", 208).contains("StandardInput="));
}

/// A terminal becomes the controlling one, for all three.
#[test]
fn a_terminal() {
    if !is_root("a_terminal") {
        return;
    }
    let pty = nix::pty::openpty(None, None).unwrap();
    let path =
        std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&pty.slave))).unwrap();
    let lines = format!("StandardInput=tty-force\nStandardOutput=tty\nTTYPath={}", path.display());
    check(&lines, "echo to the terminal; tty; echo $TERM > /dev/tty", "");
    drop(pty.slave);
    let mut printed = Vec::new();
    let mut master = std::fs::File::from(pty.master);
    // The end of a terminal is an error.
    let _ = std::io::Read::read_to_end(&mut master, &mut printed);
    let printed = String::from_utf8(printed).unwrap().replace('\r', "");
    assert_eq!(printed, format!("to the terminal\n{}\nvt220\n", path.display()));
}

/// Whatever the one before has done to it.
#[test]
fn a_terminal_is_made_ready() {
    if !is_root("a_terminal_is_made_ready") {
        return;
    }
    let pty = nix::pty::openpty(None, None).unwrap();
    let path =
        std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&pty.slave))).unwrap();
    let lines = format!("StandardInput=tty\nStandardOutput=journal\nTTYPath={}\n", path.display());
    let modes = "stty -a | grep -o ' -*icanon\\| -*echo ' | xargs";
    let raw = || {
        let mut modes = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
        nix::sys::termios::cfmakeraw(&mut modes);
        nix::sys::termios::tcsetattr(&pty.slave, nix::sys::termios::SetArg::TCSANOW, &modes).unwrap();
    };
    raw();
    check(&lines, modes, "-icanon -echo");
    check(&format!("{lines}TTYReset=yes"), modes, "icanon echo");
    check(&format!("{lines}TTYRows=33\nTTYColumns=77"), "stty size", "33 77");
    check(&format!("{lines}TTYVTDisallocate=yes"), "echo", "");
    let mut screen = [0; 64];
    let length = nix::unistd::read(&pty.master, &mut screen).unwrap();
    assert_eq!(&screen[..length], b"\x1b[r\x1b[H\x1b[2J");
    // Who had it open has it no more.
    check(&format!("{lines}TTYVHangup=yes"), "echo", "");
    assert_eq!(nix::unistd::write(&pty.slave, b"x"), Err(nix::errno::Errno::EIO));
    let seen = run("TTYReset=yes\nTTYPath=/dev/null", "echo");
    assert!(seen.notes.len() == 1 && seen.notes[0].starts_with("TTYReset: /dev/null: "), "{:?}", seen.notes);
}

#[test]
fn prefixes_change_rights() {
    if !is_root("prefixes_change_rights") {
        return;
    }
    let context = context("a.service", "User=nobody\nPrivateNetwork=yes\nPermissionsStartOnly=no");
    let host = std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    let seen = |privileges| {
        let script = format!("id -un; [ $(readlink /proc/self/ns/net) = '{host}' ] && echo same || echo own");
        let seen = run_as(&context, &shell(&script, privileges), &[]).unwrap();
        assert_eq!(seen.exit, Exit::Code(0));
        seen.printed
    };
    assert_eq!(seen(Privileges::Unit), "nobody\nown");
    assert_eq!(seen(Privileges::Full), "root\nsame");
    assert_eq!(seen(Privileges::KeepUser), "root\nown");
    assert_eq!(seen(Privileges::KeepUserWithoutAmbient), "nobody\nown");
}
