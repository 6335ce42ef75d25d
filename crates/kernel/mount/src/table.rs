//! What is mounted: `/proc/self/mountinfo`, which tells by itself when it changes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};

use perigee_units::unit::{Source, UnitName};
use perigee_units::value::escape_path;

/// Mounts that are looked at are no more than this.
const MOST_MOUNTS: usize = 100_000;

/// Where the kernel tells what is mounted.
pub(super) const TABLE: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub place: String,
    /// What: a device, or a word of the file system's own.
    pub what: String,
    /// The type of the file system.
    pub kind: String,
    /// Options of the mount and of the file system.
    pub options: String,
}

/// Everything that is mounted, by place; of several mounts at one place the last one counts.
pub type Mounts = BTreeMap<String, Mounted>;

/// Reads the text of mountinfo, proc(5). Lines that are none are passed over.
pub fn parse(text: &str) -> Mounts {
    lines(text).map(|mounted| (mounted.place.clone(), mounted)).collect()
}

/// Every mount, in the order in which they were made.
pub(super) fn list() -> io::Result<Vec<Mounted>> {
    let text = fs::read(TABLE)?;
    Ok(lines(&String::from_utf8_lossy(&text)).collect())
}

fn lines(text: &str) -> impl Iterator<Item = Mounted> {
    text.lines().take(MOST_MOUNTS).filter_map(|line| {
        let (own, system) = line.split_once(" - ")?;
        let own: Vec<_> = own.split(' ').collect();
        let system: Vec<_> = system.split(' ').collect();
        let ([_, _, _, _, place, options, ..], [kind, what, ..]) = (&own[..], &system[..]) else {
            return None;
        };
        let more = system.get(2).map_or(String::new(), |more| format!(",{more}"));
        Some(Mounted {
            place: unescape(place),
            what: unescape(what),
            kind: unescape(kind),
            options: format!("{}{}", unescape(options), unescape(&more)),
        })
    })
}

/// Octets as three octal digits behind a backslash.
pub(super) fn unescape(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match value.filter(|_| *first == b'\\') {
            Some(value) => {
                octets.push(value);
                rest = &tail[3..];
            }
            None => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

impl Mounted {
    /// The name of the unit for this place; none for a place whose name would be too long.
    pub fn name(&self) -> Option<UnitName> {
        UnitName::parse(&format!("{}.mount", escape_path(&self.place))).ok()
    }

    /// The text of a unit for a mount that was made by somebody else.
    pub fn source(&self) -> Source {
        let plain = |text: &str| text.replace('%', "%%").replace('\n', " ");
        let text = format!(
            "[Mount]\nWhat={}\nWhere={}\nType={}\nOptions={}\n",
            plain(&self.what),
            plain(&self.place),
            plain(&self.kind),
            plain(&self.options)
        );
        Source { path: TABLE.into(), text: text.into_bytes() }
    }
}

/// What is mounted where the unit of this name would be mounted, by the table of this process.
pub fn mounted_as(name: &UnitName) -> Option<Mounted> {
    let text = fs::read(TABLE).ok()?;
    let mounts = parse(&String::from_utf8_lossy(&text));
    mounts.into_values().find(|mounted| mounted.name().as_ref() == Some(name))
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Places where something is mounted now, and was not.
    pub came: Vec<String>,
    /// Places where nothing is mounted any more.
    pub went: Vec<String>,
}

/// Watches what is mounted.
#[derive(Debug)]
pub struct MountTable {
    /// None where nobody looks.
    file: Option<File>,
    mounts: Mounts,
}

impl MountTable {
    /// What is mounted now.
    ///
    /// # Errors
    /// `/proc` is not mounted, say.
    pub fn new() -> io::Result<MountTable> {
        let mut table = MountTable { file: Some(File::open(TABLE)?), mounts: Mounts::new() };
        table.mounts = table.read()?;
        Ok(table)
    }

    /// For a supervisor that has no processes, and so mounts nothing: nothing is mounted, ever.
    pub fn unwatched() -> MountTable {
        MountTable { file: None, mounts: Mounts::new() }
    }

    /// What to wait for: `EPOLLPRI`, not readable, which it always is.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(File::as_fd)
    }

    /// What is mounted, as it was read last.
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// Something has changed; also to be asked when a helper has ended, since that may be heard of first.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn ready(&mut self) -> io::Result<Changes> {
        let now = self.read()?;
        let missing = |these: &Mounts, those: &Mounts| {
            these.keys().filter(|place| !those.contains_key(*place)).cloned().collect()
        };
        let changes = Changes { came: missing(&now, &self.mounts), went: missing(&self.mounts, &now) };
        self.mounts = now;
        Ok(changes)
    }

    fn read(&mut self) -> io::Result<Mounts> {
        let Some(file) = &mut self.file else { return Ok(Mounts::new()) };
        file.rewind()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(parse(&String::from_utf8_lossy(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo() {
        let mounts = parse(
            "22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n\
             36 35 98:0 /mnt1 /mnt/two\\040words rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
             37 36 0:5 / /mnt/two\\040words rw - tmpfs none rw\nno line\n1 2 3 - x\n",
        );
        assert_eq!(mounts.len(), 2);
        let top = &mounts["/mnt/two words"];
        assert_eq!((top.kind.as_str(), top.what.as_str(), top.options.as_str()), ("tmpfs", "none", "rw,rw"));
        assert_eq!(top.name().map(|name| name.to_string()).as_deref(), Some("mnt-two\\x20words.mount"));
        let source = String::from_utf8(mounts["/sys"].source().text).expect("text");
        assert_eq!(source, "[Mount]\nWhat=sysfs\nWhere=/sys\nType=sysfs\nOptions=rw,nosuid,rw\n");
        assert_eq!(unescape("a\\040b\\\\9\\04"), "a b\\\\9\\04");
    }
}
