//! Scripts of `/etc/init.d` as services: a package may bring nothing else. Their comments, by the Linux Standard Base,
//! say what they come after; links in `/etc/rc2.d` and so on say whether they start by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use perigee_units::unit::UnitName;

use super::SYSTEM_FOLDERS;

/// Where their units are written, from the root: last of all in the search path.
pub const SYSV_FOLDER: &str = "/run/systemd/generator.late";

/// Of a script no more than this is read.
const LONGEST: u64 = 1 << 16;

/// Scripts that are no services.
const NO_SERVICES: [&str; 5] = ["README", "skeleton", "rc", "rcS", "functions"];

/// What scripts name with a dollar sign.
const FACILITIES: [(&str, &str); 6] = [
    ("$local_fs", "local-fs.target"),
    ("$network", "network-online.target"),
    ("$named", "nss-lookup.target"),
    ("$portmap", "rpcbind.target"),
    ("$remote_fs", "remote-fs.target"),
    ("$time", "time-sync.target"),
];

/// What a script says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Script {
    description: String,
    after: Vec<String>,
    before: Vec<String>,
    /// The units that are wanted, not only waited for.
    wants: BTreeSet<String>,
}

/// Writes a unit for every script below `root` that has none of its own, in the place of those of before.
///
/// # Errors
/// The folder cannot be written.
pub fn generate_sysv(root: &Path) -> io::Result<()> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let folder = below(SYSV_FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let own = |unit: &str| {
        let folders = SYSTEM_FOLDERS.iter().filter(|folder| **folder != SYSV_FOLDER);
        folders.map(|folder| below(folder).join(unit)).any(|path| path.symlink_metadata().is_ok())
    };
    let started = started(&below("/etc"));
    for entry in fs::read_dir(below("/etc/init.d")).into_iter().flatten().flatten() {
        let Ok(script) = entry.file_name().into_string() else { continue };
        let Some(unit) = unit_of(&script).filter(|unit| !own(unit)) else { continue };
        let runs =
            fs::metadata(entry.path()).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        if NO_SERVICES.contains(&script.as_str()) || script.contains(".dpkg-") || !runs {
            continue;
        }
        let mut text = Vec::new();
        fs::File::open(entry.path())?.take(LONGEST).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&unit), service(&script, &read(&text, &unit), &text))?;
        if started.contains(&script) {
            let wants = folder.join("multi-user.target.wants");
            fs::create_dir_all(&wants)?;
            symlink(Path::new("..").join(&unit), wants.join(&unit))?;
        }
    }
    Ok(())
}

/// The scripts that start by themselves.
fn started(etc: &Path) -> BTreeSet<String> {
    let folders = ["rc2.d", "rc3.d", "rc4.d", "rc5.d"].map(|folder| etc.join(folder));
    let links = folders.into_iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let names = links.filter_map(|link| link.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix('S')?.get(2..).map(str::to_owned)).collect()
}

/// The unit of a script or of what scripts call a facility.
fn unit_of(name: &str) -> Option<String> {
    let unit = format!("{}.service", name.strip_suffix(".sh").unwrap_or(name));
    UnitName::parse(&unit).ok().map(|name| name.to_string())
}

/// Reads the comment between its marks.
fn read(text: &str, unit: &str) -> Script {
    let inside = text.lines().skip_while(|line| !line.starts_with("### BEGIN INIT INFO")).skip(1);
    let inside = inside.take_while(|line| !line.starts_with("### END INIT INFO"));
    let pairs = inside.filter_map(|line| line.strip_prefix("# ")?.split_once(':'));
    let keys: BTreeMap<String, &str> =
        pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim())).collect();
    let words = |keys_of: [&str; 2]| {
        let values = keys_of.into_iter().filter_map(|key| keys.get(key));
        let words: Vec<&str> = values.flat_map(|value| value.split_whitespace()).collect();
        let units = words.into_iter().filter_map(|word| match word.starts_with('$') {
            // What is said to the log is taken from the start.
            true => FACILITIES.iter().find(|(name, _)| *name == word).map(|(_, unit)| (*unit).to_owned()),
            false => unit_of(word.trim_start_matches('+')),
        });
        units.filter(|other| other != unit).collect::<Vec<_>>()
    };
    let after = words(["required-start", "should-start"]);
    Script {
        description: keys.get("short-description").copied().unwrap_or_default().to_owned(),
        wants: after.iter().filter(|unit| *unit == "network-online.target").cloned().collect(),
        after,
        before: words(["x-start-before", "x-stop-after"]),
    }
}

/// The text of a unit that runs a script.
fn service(name: &str, script: &Script, text: &str) -> String {
    let path = format!("/etc/init.d/{name}");
    let description = if script.description.is_empty() { name } else { &script.description };
    let list = |key: &str, units: &[String]| match units {
        [] => String::new(),
        units => format!("{key}={}\n", units.join(" ")),
    };
    let wants: Vec<String> = script.wants.iter().cloned().collect();
    let reload = if text.contains("reload)") || text.contains("reload|") {
        format!("ExecReload={path} reload\n")
    } else {
        String::new()
    };
    format!(
        "[Unit]\nDescription=LSB: {}\nSourcePath={path}\nBefore=multi-user.target\n{}{}{}\n\
         [Service]\nType=forking\nTimeoutSec=5min\nIgnoreSIGPIPE=no\nKillMode=process\nGuessMainPID=no\n\
         RemainAfterExit=yes\nSuccessExitStatus=5 6\nExecStart={path} start\nExecStop={path} stop\n{reload}",
        description.replace('%', "%%"),
        list("Before", &script.before),
        list("After", &script.after),
        list("Wants", &wants),
    )
}

#[cfg(test)]
mod tests {
    use perigee_units::unit::{Host, Source, Unit, Value};

    use super::*;

    const SCRIPT: &str = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: mail\n# Required-Start: $remote_fs $network $syslog\n\
        # Should-Start: +db mail\n# X-Start-Before: web\n# Short-Description: 100% mail\n### END INIT INFO\ncase $1 in reload) ;; esac\n";

    #[test]
    fn a_script_becomes_a_service() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str, mode: u32| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            fs::write(&path, text).expect("it is written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is its own");
        };
        write("etc/init.d/mail", SCRIPT, 0o755);
        write("etc/init.d/clock.sh", "#!/bin/sh\n", 0o755);
        write("etc/init.d/README", "read me", 0o755);
        write("etc/init.d/off", SCRIPT, 0o644);
        write("etc/init.d/nginx", SCRIPT, 0o755);
        write("lib/systemd/system/nginx.service", "[Service]\n", 0o644);
        write("etc/rc2.d/S01mail", "", 0o644);
        for _ in 0..2 {
            generate_sysv(root.path()).expect("it is written");
        }
        let folder = root.path().join("run/systemd/generator.late");
        let names: BTreeSet<_> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(
            names,
            BTreeSet::from(["clock.service", "mail.service", "multi-user.target.wants"].map(Into::into))
        );
        let link = folder.join("multi-user.target.wants/mail.service");
        let text = fs::read(link).expect("the link leads to the unit");
        let name = UnitName::parse("mail.service").expect("a name");
        let unit = Unit::read(name, &[Source { path: "mail.service".into(), text }], &Host::default());
        let wrong: Vec<_> = unit
            .complaints
            .iter()
            .filter(|c| c.level() > perigee_units::unit::Level::NotCarriedOut)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(unit.last("Unit", "Description"), Some(&Value::Text("LSB: 100% mail".to_owned())));
        let units = |directive: &str| {
            let values = unit.all("Unit", directive).collect::<Vec<_>>();
            values.into_iter().fold(String::new(), |text, value| match value {
                Value::Units(units) => units.iter().fold(text, |text, unit| text + unit.as_str() + " "),
                _ => text,
            })
        };
        assert_eq!(units("After"), "remote-fs.target network-online.target db.service ");
        assert_eq!(units("Before"), "multi-user.target web.service ");
        assert_eq!(units("Wants"), "network-online.target ");
        assert!(unit.last("Service", "ExecReload").is_some());
    }
}
