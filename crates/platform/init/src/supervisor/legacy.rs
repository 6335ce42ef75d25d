//! What a copy of the program leaves beside its handover, for a next one that cannot read that: an older one, a newer one,
//! or one that finds it damaged. Each line is for itself, in words that stay: records of units as they are kept for the
//! case of a kill, and descriptors. From these, or from the control groups alone, services are taken up as after a kill.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use perigee_journal::Priority;
use perigee_log::Held;
use perigee_process::pidfd;
use perigee_units::machine::State;
use perigee_units::service::Phase;
use serde::{Deserialize, Serialize};

use super::Supervisor;
use super::handover::{keep, taken};
use super::table::Work;
use crate::adopt::{Main, Record, Taken};

/// Where the next copy finds the number of the file.
pub(super) const VARIABLE: &str = "PERIGEE_LEGACY";

/// What the file is called.
const NAME: &str = "perigee-legacy";

/// Octets of the file that are read, and descriptors that are looked at.
const LARGEST: u64 = 64 << 20;
const MOST_DESCRIPTORS: usize = 1 << 20;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Record(Record),
    Descriptor { fd: i32, unit: String, what: Held },
    Notify(i32),
    Control(i32),
}

/// What was left.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    /// Why the handover could not be read.
    pub(super) why: String,
    pub(super) records: Vec<Record>,
    /// Sockets and stored descriptors, with whose they are.
    pub(super) kept: Vec<(String, Held, OwnedFd)>,
    pub(super) notify: Option<OwnedFd>,
    pub(super) control: Option<OwnedFd>,
    /// Lines that say nothing.
    strange: usize,
}

impl Legacy {
    /// What the copy before this one has left, where its handover cannot be read. Whatever else it has let go over
    /// execve(2) is closed: nobody knows of it any more, and an open socket would keep its port.
    pub(super) fn take(why: String) -> Legacy {
        let mut legacy = Legacy { why, ..Legacy::default() };
        let mut open = inherited();
        let mut text = Vec::new();
        if let Some(mut file) = Legacy::file() {
            open.remove(&file.as_raw_fd());
            let read = file.rewind().and_then(|()| Read::take(&mut file, LARGEST).read_to_end(&mut text));
            if let Err(error) = read {
                legacy.why.push_str(&format!("; nor what lies beside it: {error}"));
            }
        }
        legacy.read(&text, open);
        legacy
    }

    /// The file, if there is one: the number in the variable may be older than this copy.
    pub(super) fn file() -> Option<File> {
        let number: i32 = std::env::var(VARIABLE).ok()?.parse().ok()?;
        let path = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        let ours = path.to_str().is_some_and(|path| path.starts_with(&format!("/memfd:{NAME}")));
        ours.then(|| File::from(pidfd::received(number)))
    }

    /// Reads the lines; `open` are the descriptors that can be meant, each once.
    fn read(&mut self, text: &[u8], mut open: BTreeSet<i32>) {
        for line in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            let Ok(line) = serde_json::from_slice::<Line>(line) else {
                self.strange += 1;
                continue;
            };
            let mut fd = |number: i32| open.remove(&number).then(|| taken(number));
            match line {
                Line::Record(record) => self.records.push(record),
                Line::Descriptor { fd: number, unit, what } => match fd(number) {
                    Some(fd) => self.kept.push((unit, what, fd)),
                    None => self.strange += 1,
                },
                Line::Notify(number) => self.notify = fd(number),
                Line::Control(number) => self.control = fd(number),
            }
        }
        open.into_iter().for_each(|number| drop(pidfd::received(number)));
    }
}

/// The descriptors that came over execve(2): those that would go over the next one too, the standard ones apart.
fn inherited() -> BTreeSet<i32> {
    let names = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let numbers: Vec<_> = numbers.filter(|number| *number > 2).take(MOST_DESCRIPTORS).collect();
    let stays = |number: &i32| {
        let flags = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| i64::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| flags & i64::from(nix::libc::O_CLOEXEC) == 0)
    };
    numbers.into_iter().filter(stays).collect()
}

impl Supervisor {
    /// Writes what the next copy needs if it cannot read the handover. The file goes over execve(2).
    pub(super) fn leave_legacy(&self) -> io::Result<File> {
        let mut lines = Vec::new();
        for unit in self.machine.units() {
            let name = self.machine.name(unit);
            lines.extend(self.record_for_next(unit).map(Line::Record));
            let mut descriptor = |fd: &OwnedFd, what| {
                lines.push(Line::Descriptor { fd: fd.as_raw_fd(), unit: name.to_owned(), what });
            };
            match &self.table.get(unit).work {
                Work::Socket(sockets) => {
                    for (index, port) in sockets.ports().iter().enumerate() {
                        descriptor(&port.fd, Held::Port { index, connects: port.connects });
                    }
                }
                Work::Service(service) => {
                    for (stored, fd) in &service.stored {
                        descriptor(fd, Held::Stored { name: stored.clone() });
                    }
                }
                _ => {}
            }
        }
        if let Some(notify) = &self.notify {
            lines.push(Line::Notify(keep(notify.as_fd())?));
        }
        lines.push(Line::Control(keep(self.connections.as_fd())?));
        let mut file = File::from(memfd_create(NAME, MFdFlags::empty())?);
        for line in lines {
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
        }
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(file)
    }

    /// Takes up what runs by what was left beside a handover that cannot be read, loudly; `heritage` are the records that
    /// a supervisor other than PID 1 keeps at all times.
    pub(super) fn inherit(&mut self, legacy: Legacy, heritage: Vec<Record>) {
        let text = format!(
            "the handover of the program before this one cannot be read ({}): what runs is taken up by its records and \
             control groups; counters, time-outs and jobs begin anew",
            legacy.why
        );
        self.say_of(None, Priority::ERROR, &text);
        if legacy.strange > 0 {
            let text = format!("{} lines that were left beside it mean nothing here", legacy.strange);
            self.say_of(None, Priority::ERROR, &text);
        }
        self.keep_for_units(legacy.kept);
        let records = if legacy.records.is_empty() { heritage } else { legacy.records };
        self.take_heritage(records, self.settings.is_first);
        // What ended in between waits to be reaped; who it was is known when the units have been taken up.
        self.processes.more = true;
    }

    /// A record for processes of which nobody has kept one: in the groups of PID 1 all units are its own.
    pub(super) fn record_of_found(&self, taken: &Taken) -> Option<Record> {
        let main = match taken.main {
            Main::Same(id) | Main::Guessed(id) => Some(id),
            Main::Ended(..) | Main::None => None,
        };
        (!taken.processes.is_empty()).then(|| Record {
            boot: String::new(),
            unit: taken.unit.clone(),
            state: State::Active,
            phase: Phase::Running,
            main,
            control: None,
            invocation: String::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A descriptor with a number that goes over execve(2).
    fn open() -> i32 {
        use std::os::fd::IntoRawFd;
        let file = tempfile::tempfile().expect("a file");
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).expect("kept");
        file.into_raw_fd()
    }

    fn is_open(number: i32) -> bool {
        std::fs::metadata(format!("/proc/self/fd/{number}")).is_ok()
    }

    #[test]
    fn lines_that_are_understood_count_and_no_descriptor_is_left_over() {
        let [port, unknown, notify] = [open(), open(), open()];
        let text = format!(
            "{{\"descriptor\":{{\"fd\":{port},\"unit\":\"a.socket\",\"what\":{{\"port\":{{\"index\":0,\"connects\":true}}}}}}}}\n\
             {{\"descriptor\":{{\"fd\":{port},\"unit\":\"b.socket\",\"what\":{{\"port\":{{\"index\":0,\"connects\":true}}}}}}}}\n\
             {{\"descriptor\":{{\"fd\":0,\"unit\":\"c.socket\",\"what\":{{\"port\":{{\"index\":0,\"connects\":true}}}}}}}}\n\
             {{\"moon\":7}}\n\u{fffd}\n{{\"notify\":{notify}}}\n"
        );
        let mut legacy = Legacy::default();
        legacy.read(text.as_bytes(), BTreeSet::from([port, unknown, notify]));
        assert_eq!(legacy.kept.len(), 1);
        assert_eq!((legacy.kept[0].0.as_str(), legacy.kept[0].2.as_raw_fd()), ("a.socket", port));
        assert_eq!(legacy.strange, 4, "said twice, not inherited, unknown, no text");
        assert_eq!(legacy.notify.as_ref().map(AsRawFd::as_raw_fd), Some(notify));
        assert!(is_open(port) && !is_open(unknown));
    }
}
