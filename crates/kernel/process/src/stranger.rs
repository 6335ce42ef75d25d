//! Processes that are not our children: who they are, and how they have ended, as far as the kernel can tell.
//!
//! A supervisor that takes over from one that was killed finds the services of that one, as children of another
//! process: it cannot wait for them.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::raw;
use crate::wait::Exit;

/// A process for ever: numbers are given again, but not with the same start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The number.
    pub pid: i32,
    /// When it was started, in clock ticks since the machine was.
    pub started: u64,
}

/// What /proc/PID/stat says of a process, proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which it is.
    pub identity: Identity,
    /// The process whose child it is.
    pub parent: i32,
    /// It has ended, and nobody has reaped it yet.
    pub zombie: bool,
    /// How it has ended, if it is a zombie and we may know.
    pub exit: Option<Exit>,
}

/// Looks at a process; none where there is no such process.
pub fn look(pid: i32) -> Option<Seen> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &[u8]) -> Option<Seen> {
    // The name may have anything in it but ends with the last bracket.
    let close = stat.iter().rposition(|octet| *octet == b')')?;
    let pid =
        std::str::from_utf8(&stat[..stat.iter().position(|octet| *octet == b' ')?]).ok()?.parse().ok()?;
    let fields: Vec<&str> = std::str::from_utf8(&stat[close + 1..]).ok()?.split_whitespace().collect();
    // The third field is the first one here.
    let field = |number: usize| fields.get(number - 3).copied();
    let zombie = matches!(field(3)?, "Z" | "X");
    let exit = field(52).and_then(|code| code.parse().ok()).filter(|_| zombie).map(of_status);
    let identity = Identity { pid, started: field(22)?.parse().ok()? };
    // Who may not trace the process reads 0; success and a lack of rights cannot be told apart then.
    let exit = exit.filter(|exit| !exit.success() || nix::unistd::geteuid().is_root());
    Some(Seen { identity, parent: field(4)?.parse().ok()?, zombie, exit })
}

/// How the process behind a descriptor has ended, though it is no child: none where it still runs, or the kernel does
/// not tell. Linux tells from 6.15 on, once somebody has reaped it, to whoever had the descriptor before; until then
/// [`look`] may tell.
pub fn exit_of(pidfd: BorrowedFd<'_>) -> Option<Exit> {
    /// `struct pidfd_info` as it was first; `PIDFD_GET_INFO`, `PIDFD_INFO_EXIT` of linux/pidfd.h.
    #[repr(C)]
    struct Info {
        mask: u64,
        cgroup: u64,
        numbers: [u32; 11],
        exit_code: i32,
    }
    const GET_INFO: usize = 3 << 30 | size_of::<Info>() << 16 | 0xFF << 8 | 11;
    const EXIT: u64 = 1 << 3;
    const { assert!(size_of::<Info>() == 64) };
    let mut info = Info { mask: EXIT, cgroup: 0, numbers: [0; 11], exit_code: 0 };
    let arguments = [pidfd.as_raw_fd() as usize, GET_INFO, (&raw mut info) as usize, 0, 0, 0];
    // SAFETY: the kernel writes no more than the size in the number of the call, which is that of `info`.
    let result = unsafe { raw::call(libc::SYS_ioctl, arguments) }.map_err(Errno::from_raw);
    (result.is_ok() && info.mask & EXIT != 0).then(|| of_status(info.exit_code))
}

/// A status as wait(2) has it.
fn of_status(status: i32) -> Exit {
    match status & 0x7F {
        0 => Exit::Code(status >> 8 & 0xFF),
        signal => Exit::Signal { signal, core: status & 0x80 != 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_names_do_not_matter() {
        let line = |name: &str, state: &str, exit: i32| {
            let field = |number: u32| match number {
                4 => 7,
                22 => 4242,
                _ => 1,
            };
            let rest: Vec<String> = (4..52).map(|number| field(number).to_string()).collect();
            let rest = rest.join(" ");
            format!("12 ({name}) {state} {rest} {exit}\n").into_bytes()
        };
        let identity = Identity { pid: 12, started: 4242 };
        for name in ["sh", "a) R 1 1", "((", "", "a\nb"] {
            let seen = parse(&line(name, "S", 0)).expect(name);
            assert_eq!(seen, Seen { identity, parent: 7, zombie: false, exit: None }, "{name}");
        }
        let zombie = parse(&line("x", "Z", 3 << 8)).expect("a zombie");
        assert_eq!((zombie.zombie, zombie.exit), (true, Some(Exit::Code(3))));
        let killed = parse(&line("x", "Z", 0x86)).expect("a zombie");
        assert_eq!(killed.exit, Some(Exit::Signal { signal: 6, core: true }));
        for text in ["", "12", "12 (x", "12 (x)", "12 (x) S 1", "x (x) S 1 1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_seen() {
        let own = std::process::id() as i32;
        let seen = look(own).expect("this process");
        assert_eq!(seen.parent, std::os::unix::process::parent_id() as i32);
        assert!(!seen.zombie && seen.identity.pid == own && seen.identity.started > 0);
        assert_eq!(look(i32::MAX), None);
    }

    /// A child of a shell that ends: the shell reaps it, we hold its descriptor.
    #[test]
    fn how_a_stranger_has_ended_is_read_from_the_kernel() {
        use std::io::{BufRead, BufReader, Write};
        use std::os::fd::AsFd;
        use std::process::{Command, Stdio};
        for (script, expected) in [
            ("exit 3", Exit::Code(3)),
            ("kill -9 $$", Exit::Signal { signal: 9, core: false }),
            ("exit 0", Exit::Code(0)),
        ] {
            let outer =
                format!("exec 3<&0; sh -c 'read go; {script}' <&3 & echo $!; wait $!; echo reaped; read end");
            let mut shell = Command::new("/bin/sh")
                .args(["-c", &outer])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a shell");
            let mut lines = BufReader::new(shell.stdout.take().expect("a pipe")).lines();
            let pid: i32 = lines.next().expect("a line").expect("text").parse().expect("a number");
            let descriptor = crate::pidfd::open(pid).expect("it runs");
            assert_eq!(exit_of(descriptor.as_fd()), None, "it has not ended");
            let mut input = shell.stdin.take().expect("a pipe");
            input.write_all(b"go\n").expect("written");
            assert_eq!(lines.next().expect("a line").expect("text"), "reaped");
            match exit_of(descriptor.as_fd()) {
                None => eprintln!("SKIPPED: this kernel does not tell how a stranger has ended"),
                exit => assert_eq!(exit, Some(expected), "{script}"),
            }
            drop(input);
            shell.wait().expect("ended");
        }
    }
}
