//! `/etc/fstab` becomes units: a `.mount` or `.swap` file for each line, and the links that let the targets want them.
//! They are written into a folder of their own when units are loaded, as generators do, so that everything shows them
//! as it shows other units.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use perigee_units::unit::{Host, Level, Source, Unit, UnitName};
use perigee_units::value::{escape_path, parse_path};

use super::options::MountOptions;
use super::table::unescape;
use super::{Mount, device};

/// Lines that are read are no more than this.
const MOST_LINES: usize = 10_000;

/// A unit made from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The target that brings it, and whether it cannot do without.
    pub target: Option<(&'static str, bool)>,
}

/// Places that are mounted before there are units.
const EARLY: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/sys/fs/cgroup"];

/// Options that say something to systemd and are not carried out, with the reason.
const NOT_DONE: [(&str, &str); 7] = [
    ("x-systemd.automount", "automounts are not supported; it is mounted with the others"),
    ("x-systemd.device-timeout", "devices are not waited for"),
    ("x-systemd.makefs", "no file system is made"),
    ("x-systemd.growfs", "no file system is grown"),
    ("x-systemd.pcrfs", "nothing is measured"),
    ("x-systemd.idle-timeout", "automounts are not supported"),
    ("x-systemd.verity", "disk images are not supported"),
];

/// The units of an fstab(5), and what is to be said about its lines.
pub fn read_fstab(text: &str) -> (Vec<Generated>, Vec<String>) {
    let (mut units, mut notes): (Vec<Generated>, _) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().take(MOST_LINES) {
        let mut note = |said: &str| notes.push(format!("/etc/fstab:{}: {said}", number + 1));
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<_> = line.split_whitespace().map(unescape).collect();
        let [what, place, kind, rest @ ..] = &fields[..] else {
            note("a line has a device, a place and a type at least");
            continue;
        };
        let options = rest.first().map_or("defaults", String::as_str);
        let parsed = MountOptions::parse(options);
        for (option, reason) in NOT_DONE {
            if parsed.has(option) || parsed.values(option).next().is_some() {
                note(&format!("{option}: {reason}"));
            }
        }
        let made = match kind.as_str() {
            "swap" => swap(what, options, &parsed),
            "ignore" => continue,
            _ => match parse_path(place) {
                Ok(place) if EARLY.contains(&place.as_str()) => continue,
                Ok(place) => mount(what, &place, kind, options, &parsed),
                Err(error) => {
                    note(&error.to_string());
                    continue;
                }
            },
        };
        if units.iter().any(|unit| unit.name == made.name) {
            note("there is a line for this place already");
        } else if let Some(fault) = fault(&made) {
            note(&format!("what stands there cannot be a unit: {fault}"));
        } else {
            units.push(made);
        }
    }
    (units, notes)
}

fn mount(what: &str, place: &str, kind: &str, options: &str, parsed: &MountOptions) -> Generated {
    let what = device(what);
    let plain = Mount {
        what: what.clone(),
        place: place.to_owned(),
        kind: Some(kind.to_owned()),
        options: options.to_owned(),
        folder_mode: 0o755,
        sloppy: false,
        lazy: false,
        force: false,
        writable_only: false,
        found: false,
    };
    let target = if plain.is_network() { "remote-fs.target" } else { "local-fs.target" };
    let (optional, auto) = (parsed.has("nofail"), !parsed.has("noauto"));
    let mut text = unit_section(parsed);
    if auto && !optional {
        text.push_str(&format!("Before={target}\n"));
    }
    text.push_str(&format!("\n[Mount]\nWhere={}\nWhat={}\n", escaped(place), escaped(&what)));
    if kind != "auto" {
        text.push_str(&format!("Type={}\n", escaped(kind)));
    }
    let passed: Vec<_> =
        super::options::split(options).filter(|option| !option.starts_with("x-systemd.")).collect();
    if !passed.is_empty() && passed != ["defaults"] {
        text.push_str(&format!("Options={}\n", escaped(&passed.join(","))));
    }
    if let Some(length) = parsed.values("x-systemd.mount-timeout").last() {
        text.push_str(&format!("TimeoutSec={}\n", escaped(length)));
    }
    if parsed.has("x-systemd.rw-only") {
        text.push_str("ReadWriteOnly=yes\n");
    }
    Generated {
        name: format!("{}.mount", escape_path(place)),
        text,
        target: auto.then_some((target, !optional)),
    }
}

fn swap(what: &str, options: &str, parsed: &MountOptions) -> Generated {
    let what = device(what);
    let (optional, auto) = (parsed.has("nofail"), !parsed.has("noauto"));
    let mut text = unit_section(parsed);
    text.push_str(&format!("\n[Swap]\nWhat={}\n", escaped(&what)));
    let rest: Vec<_> = super::options::split(options)
        .filter(|option| {
            !option.starts_with("x-") && !matches!(*option, "defaults" | "sw" | "noauto" | "nofail")
        })
        .collect();
    if !rest.is_empty() {
        text.push_str(&format!("Options={}\n", escaped(&rest.join(","))));
    }
    let target = auto.then_some(("swap.target", !optional));
    Generated { name: format!("{}.swap", escape_path(&what)), text, target }
}

/// What is wrong with the unit of a line: there are places and options that no unit file can have.
fn fault(made: &Generated) -> Option<String> {
    let name = match UnitName::parse(&made.name) {
        Ok(name) => name,
        Err(error) => return Some(error.to_string()),
    };
    let source = Source { path: "/etc/fstab".into(), text: made.text.clone().into_bytes() };
    let unit = Unit::read(name, &[source], &Host::default());
    let wrong = unit.complaints.into_iter().find(|complaint| complaint.level() >= Level::Ignored);
    wrong.map(|complaint| complaint.reason.to_string())
}

/// What the options say of other units.
fn unit_section(options: &MountOptions) -> String {
    let mut text = "[Unit]\nDocumentation=man:fstab(5)\nSourcePath=/etc/fstab\n".to_owned();
    for (option, directives) in [
        ("x-systemd.requires", &["Requires", "After"][..]),
        ("x-systemd.wants", &["Wants", "After"]),
        ("x-systemd.before", &["Before"]),
        ("x-systemd.after", &["After"]),
        ("x-systemd.requires-mounts-for", &["RequiresMountsFor"]),
    ] {
        for value in options.values(option) {
            for directive in directives {
                // A path stands for the unit that mounts it.
                let value = match value.starts_with('/') && *directive != "RequiresMountsFor" {
                    true => format!("{}.mount", escape_path(value)),
                    false => value.to_owned(),
                };
                text.push_str(&format!("{directive}={}\n", escaped(&value)));
            }
        }
    }
    text
}

/// No specifier, and no second line.
fn escaped(text: &str) -> String {
    text.replace('%', "%%").replace('\n', " ")
}

/// Writes the units of an fstab(5) into `folder`, in the place of those of before, and says what is to be said about its
/// lines. The folder is to be in the search path, after those of administrators.
///
/// # Errors
/// The folder cannot be written.
pub fn generate(text: &str, folder: &Path) -> io::Result<Vec<String>> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(folder)?,
    }
    let (units, notes) = read_fstab(text);
    for unit in units {
        fs::write(folder.join(&unit.name), &unit.text)?;
        let Some((target, needed)) = unit.target else { continue };
        let links = folder.join(format!("{target}.{}", if needed { "requires" } else { "wants" }));
        fs::create_dir_all(&links)?;
        symlink(Path::new("..").join(&unit.name), links.join(&unit.name))?;
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_units() {
        let (units, notes) = read_fstab(
            "# a comment\n\nUUID=AB-1 / ext4 errors=remount-ro 0 1\nproc /proc proc defaults 0 0\n\
             /dev/sdb1 /srv/two\\040words auto defaults,nofail,x-systemd.requires=/srv,x-systemd.mount-timeout=5min 0 2\n\
             host:/x /mnt/nfs nfs noauto,x-systemd.automount 0 0\n//h/s /mnt/c cifs rw 0 0\n\
             tmpfs /tmp tmpfs size=50%,nosuid 0 0\n/swapfile none swap sw,pri=3 0 0\n/dev/sdc1 /tmp ext4\nbroken\n\
             x relative ext4\n",
        );
        let named: Vec<_> = units.iter().map(|unit| (unit.name.as_str(), unit.target)).collect();
        assert_eq!(
            named,
            [
                ("-.mount", Some(("local-fs.target", true))),
                ("srv-two\\x20words.mount", Some(("local-fs.target", false))),
                ("mnt-nfs.mount", None),
                ("mnt-c.mount", Some(("remote-fs.target", true))),
                ("tmp.mount", Some(("local-fs.target", true))),
                ("swapfile.swap", Some(("swap.target", true))),
            ]
        );
        let head = "[Unit]\nDocumentation=man:fstab(5)\nSourcePath=/etc/fstab\n";
        assert_eq!(
            units[1].text,
            format!(
                "{head}Requires=srv.mount\nAfter=srv.mount\n\n[Mount]\nWhere=/srv/two words\nWhat=/dev/sdb1\n\
                 Options=defaults,nofail\nTimeoutSec=5min\n"
            )
        );
        assert_eq!(
            units[4].text,
            format!(
                "{head}Before=local-fs.target\n\n[Mount]\nWhere=/tmp\nWhat=tmpfs\nType=tmpfs\n\
                 Options=size=50%%,nosuid\n"
            )
        );
        assert_eq!(units[5].text, format!("{head}\n[Swap]\nWhat=/swapfile\nOptions=pri=3\n"));
        assert!(units[0].text.contains("What=/dev/disk/by-uuid/ab-1\n"));
        let lines: Vec<_> = notes.iter().map(|note| note.split(':').nth(1).unwrap_or_default()).collect();
        assert_eq!(lines, ["6", "10", "11", "12"], "{notes:?}");
    }
}
