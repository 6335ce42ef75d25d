//! What only PID 1 does: before anything else it makes the machine usable; at the end it sees to it that
//! no process is left, that nothing is lost, and what the machine does then.

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, sethostname, sync};
use perigee_process::{file, this, wait};

use crate::loopback;
use crate::supervisor::{Ending, now};
use crate::watchdog::Watchdog;
use perigee_mount::{mount_early, unmount_all};

/// How long processes that belong to no unit have to end by themselves.
const GENTLE: Duration = Duration::from_secs(5);

/// How long the kernel has to end those that were killed.
const FORCED: Duration = Duration::from_secs(5);

/// Whether this process is PID 1.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Whether this process sees the processes of the whole machine, and so may switch it off.
pub fn is_machine() -> bool {
    // The number that the first namespace of processes has in every kernel.
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}

/// What comes before everything else: the file systems of the kernel, without which not even this program's own path is
/// known, the loopback interface, and the name of the machine. What is there already stays as it is.
pub fn begin() {
    for failed in mount_early(Path::new("/")).failed {
        eprintln!("perigee: {failed}");
    }
    if let Err(error) = loopback::bring_up() {
        eprintln!("perigee: the loopback interface is not brought up: {error}");
    }
    if is_machine() {
        // Else the kernel resets the machine by itself, and no unit is stopped.
        if let Err(errno) = set_cad_enabled(false) {
            eprintln!("perigee: Ctrl-Alt-Del resets the machine at once: {errno}");
        }
    }
    if is_machine()
        && let Some(name) = std::fs::read_to_string("/etc/hostname").ok().as_deref().and_then(host_name)
        && let Err(errno) = sethostname(name)
    {
        eprintln!("perigee: the machine is not named {name}: {errno}");
    }
}

/// The name in a file such as hostname(5): the first line that is no comment.
fn host_name(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Ends what is left, and the machine if it was asked for. On the way to the next boot the watchdog has the time that is
/// set for that, and is set back between the steps; a machine that ends has none.
pub fn finish(ending: Ending, watchdog: Option<Watchdog>) -> ExitCode {
    let mut watchdog = watchdog;
    if let Some(watchdog) = &mut watchdog {
        match ending {
            Ending::Reboot => {
                if let Some(told) = watchdog.guard_reboot(now()) {
                    eprintln!("perigee: {told}");
                }
            }
            Ending::Exit(_) | Ending::PowerOff | Ending::Halt => watchdog.disarm(),
        }
    }
    let mut set_back = || {
        if let Some(told) = watchdog.as_mut().and_then(|watchdog| watchdog.tend(now())) {
            eprintln!("perigee: {told}");
        }
    };
    end_all(Signal::SIGTERM, GENTLE, &mut set_back);
    end_all(Signal::SIGKILL, FORCED, &mut set_back);
    // A container has no disk of its own: to wait for all of the host's would keep it for as long as others write.
    if is_machine() {
        sync();
        set_back();
        for kept in unmount_all(Path::new("/")) {
            eprintln!("perigee: {kept}");
        }
        set_back();
        end_now(ending);
    }
    match ending {
        Ending::Exit(status) => ExitCode::from(status),
        // Whoever runs a container learns from the status what was asked for.
        Ending::Reboot => ExitCode::from(133),
        Ending::PowerOff | Ending::Halt => ExitCode::SUCCESS,
    }
}

/// Where it stands what the firmware is told when the machine starts anew, as systemd has it: `systemctl reboot` of one and
/// of the other may write it.
const ARGUMENT: &str = "run/systemd/reboot-param";

/// The kernel takes no more.
const LONGEST_ARGUMENT: u64 = 255;

/// Keeps what the firmware is to be told when the machine starts anew: `RebootArgument=`.
///
/// # Errors
/// It is too long, or cannot be written.
pub fn keep_argument(root: &Path, argument: &str) -> io::Result<()> {
    if argument.len() as u64 > LONGEST_ARGUMENT || argument.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has more than 255 octets"));
    }
    let path = root.join(ARGUMENT);
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(path, argument)
}

/// What was kept, if anything was.
fn kept_argument(root: &Path) -> Option<CString> {
    let text = file::read(&root.join(ARGUMENT), LONGEST_ARGUMENT + 1).ok()?;
    let text = text.trim_ascii_end();
    let fits = !text.is_empty() && text.len() as u64 <= LONGEST_ARGUMENT;
    CString::new(text).ok().filter(|_| fits)
}

/// Ends the machine as it is: nothing is stopped or written before. Comes back only if the kernel does not do it.
pub fn end_now(ending: Ending) {
    if ending == Ending::Reboot
        && let Some(argument) = kept_argument(Path::new("/"))
    {
        let errno = this::restart_with(&argument);
        eprintln!("perigee: the machine does not start anew with {argument:?}: {errno}");
    }
    let mode = match ending {
        Ending::Exit(_) | Ending::PowerOff => RebootMode::RB_POWER_OFF,
        Ending::Reboot => RebootMode::RB_AUTOBOOT,
        Ending::Halt => RebootMode::RB_HALT_SYSTEM,
    };
    // Only an error comes back.
    let Err(errno) = reboot(mode);
    eprintln!("perigee: the machine does not end: {errno}");
}

/// What is left when the supervisor cannot begin, or falls over again and again: a shell for whoever sits before the
/// machine, and the end of it when that has ended. In a container there is nobody, and it ends at once.
pub fn rescue() -> ExitCode {
    if !is_machine() {
        return ExitCode::FAILURE;
    }
    let _ = perigee_process::signals::unblock_all();
    // There is nobody any more who would stop something first.
    let _ = set_cad_enabled(true);
    eprintln!("perigee: this is a shell to look into it; the machine starts anew when it ends");
    let shells: [&[&str]; 3] = [&["/bin/sh"], &["/bin/busybox", "sh"], &["/sbin/sulogin"]];
    let shell = shells.iter().find_map(|words| {
        let console = || std::fs::File::options().read(true).write(true).open("/dev/console");
        let (input, output, error) = (console().ok()?, console().ok()?, console().ok()?);
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]).stdin(input).stdout(output).stderr(error).spawn().ok()
    });
    let Some(shell) = shell.map(|shell| shell.id() as i32) else {
        eprintln!("perigee: there is no shell either; the machine stands still");
        loop {
            while let Ok(Some(_)) = wait::reap() {}
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    loop {
        match wait::reap() {
            Ok(Some((pid, _))) if pid == shell => return finish(Ending::Reboot, None),
            Ok(Some(_)) => {}
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Sends a signal to every process but this one, and reaps for so long, or until none is left.
fn end_all(signal: Signal, patience: Duration, set_back: &mut impl FnMut()) {
    let everybody = Pid::from_raw(-1);
    if kill(everybody, signal).is_err() {
        return;
    }
    let _ = kill(everybody, Signal::SIGCONT);
    let deadline = now() + patience;
    loop {
        while let Ok(Some(_)) = wait::reap() {}
        if kill(everybody, None).is_err() || now() >= deadline {
            return;
        }
        set_back();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_firmware_is_told_is_kept_until_the_end() {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(kept_argument(root.path()), None);
        keep_argument(root.path(), "0 tryboot").expect("it is kept");
        assert_eq!(kept_argument(root.path()).as_deref(), Some(c"0 tryboot"));
        assert!(keep_argument(root.path(), &"a".repeat(256)).is_err());
        // Another program may have written it, with an end of line.
        std::fs::write(root.path().join(ARGUMENT), "recovery\n").expect("a file");
        assert_eq!(kept_argument(root.path()).as_deref(), Some(c"recovery"));
        std::fs::write(root.path().join(ARGUMENT), "a\0b").expect("a file");
        assert_eq!(kept_argument(root.path()), None);
    }

    #[test]
    fn the_name_of_the_machine_is_the_first_line_that_says_something() {
        assert_eq!(host_name("# mine\n\n  beacon \nother\n"), Some("beacon"));
        assert_eq!(host_name("\n# nothing\n"), None);
    }
}
