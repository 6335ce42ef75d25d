//! Every attribute, seen from inside.

use perigee_process::Step;
use perigee_process::wait::Exit;

use crate::{both, is_root, output, shell, text};

/// What the script prints after the steps, made both ways.
fn check(steps: &[Step], script: &str, expected: &str) {
    let mut launch = shell(script);
    launch.environment(vec![text("PATH=/bin:/usr/bin:/usr/sbin:/sbin")]);
    for step in steps {
        launch.step(step.clone());
    }
    for printed in both(&launch) {
        assert_eq!(printed, expected, "{steps:?}");
    }
}

/// A line of `/proc/self/status`.
fn status(name: &str) -> String {
    format!("sed -n 's/^{name}:\t//p' /proc/self/status")
}

#[test]
fn of_everybody() {
    check(&[Step::Umask(0o027)], "umask", "0027");
    check(&[Step::Directory(text("/usr"))], "pwd", "/usr");
    check(&[Step::Session], "[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leads", "leads");
    let limit = Step::Limit { resource: libc::RLIMIT_NOFILE, soft: 77, hard: 99 };
    check(&[limit], "ulimit -Sn; ulimit -Hn", "77\n99");
    check(&[Step::Nice(7)], "cut -d' ' -f19 /proc/self/stat", "7");
    check(&[Step::OomScore(321)], "cat /proc/self/oom_score_adj", "321");
    check(&[Step::TimerSlack(123_456)], "cat /proc/$$/timerslack_ns", "123456");
    check(&[Step::NoNewPrivileges], &status("NoNewPrivs"), "1");
    check(&[Step::Affinity(vec![1])], &status("Cpus_allowed_list"), "0");
    let batch = Step::Scheduler { policy: libc::SCHED_BATCH as u32, priority: 0, reset_on_fork: false };
    check(&[batch], "cut -d' ' -f41 /proc/self/stat", "3");
    check(&[Step::Personality(0x0008)], "uname -m", "i686");
    check(&[Step::IoPriority(3 << 13)], "ionice", "idle");
}

/// Whatever the parent blocks and ignores, the program begins with nothing blocked and, but for SIGPIPE, nothing
/// ignored.
#[test]
fn signals_as_they_are_by_default() {
    let ignored = |signal| {
        // SAFETY: ignoring runs no code of ours.
        #[allow(unsafe_code)]
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    };
    ignored(libc::SIGUSR1);
    ignored(libc::SIGRTMIN() + 5);
    let script = format!("{}; {}", status("SigBlk"), status("SigIgn"));
    check(&[Step::Signals { ignore_pipe: true }], &script, "0000000000000000\n0000000000001000");
    check(&[Step::Signals { ignore_pipe: false }], &script, "0000000000000000\n0000000000000000");
}

#[test]
fn of_the_superuser() {
    if !is_root("of_the_superuser") {
        return;
    }
    let identity = [Step::Groups(vec![7, 9]), Step::Gid(65_533), Step::Uid(65_534)];
    check(&identity, "id -u; id -g; id -G", "65534\n65533\n65533 7 9");
    check(&[Step::Groups(vec![])], "id -G", "0");
    // CAP_NET_BIND_SERVICE and CAP_CHOWN.
    let two = 1 << 10 | 1;
    check(&[Step::Bounding(two)], &status("CapBnd"), "0000000000000401");
    let ambient = [
        Step::KeepCapabilities(true),
        Step::Gid(65_534),
        Step::Uid(65_534),
        Step::Capabilities { effective: two, permitted: two, inheritable: two },
        Step::Ambient(two),
    ];
    check(
        &ambient,
        &format!("id -u; {}; {}", status("CapAmb"), status("CapEff")),
        "65534\n0000000000000401\n0000000000000401",
    );
    check(&[Step::SecureBits(0x0f)], "echo", "");
    check(&[Step::Unshare(libc::CLONE_NEWUTS), Step::HostName(text("elsewhere"))], "hostname", "elsewhere");
    check(
        &[Step::Unshare(libc::CLONE_NEWNET), Step::Loopback],
        "grep -q 127.0.0.1 /proc/net/fib_trie && echo up",
        "up",
    );
    check(&[Step::Keyring { link_user: true }], "echo", "");
}

/// A filter which refuses uname(2) with its own error.
#[test]
fn a_filter() {
    let instruction = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let back = libc::BPF_RET | libc::BPF_K;
    let filter = vec![
        instruction(load, 0, 0, 0),
        instruction(equal, libc::SYS_uname as u32, 0, 1),
        instruction(back, libc::SECCOMP_RET_ERRNO | libc::EXDEV as u32, 0, 0),
        instruction(back, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let mut launch = shell("/bin/uname");
    launch.step(Step::NoNewPrivileges).step(Step::Filter(filter));
    let (printed, exit) = output(&launch).unwrap();
    assert!(exit != Exit::Code(0) && printed.contains("cross-device"), "{exit}: {printed}");
}
