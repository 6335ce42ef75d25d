//! Specifiers, such as `%i` for the instance: expanded from the name of the unit and from what the machine is.

use std::collections::BTreeMap;

use super::UnitName;
use crate::value::{ValueError, unescape_name};

/// What is known of the machine, and of the user for whom units run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// `%a`: the architecture.
    pub architecture: String,
    /// `%b`: 32 hexadecimal digits, made at each boot.
    pub boot_id: Option<String>,
    /// `%m`: 32 hexadecimal digits, made once.
    pub machine_id: Option<String>,
    /// `%H`: the name in the network.
    pub name: String,
    /// `%v`: the release of the kernel.
    pub kernel: String,
    /// The lines of `/etc/os-release`.
    pub os: BTreeMap<String, String>,
    /// `%u`, `%U`, `%g`, `%G`: the user and the group, by name and number.
    pub user: (String, u32),
    /// See `user`.
    pub group: (String, u32),
    /// `%h`: the user's home.
    pub home: String,
    /// `%s`: the user's shell.
    pub shell: String,
}

/// Where a value stands: the unit, the file, the machine.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The unit.
    pub name: &'a UnitName,
    /// The file that the unit is declared in; empty where it has none.
    pub fragment: &'a str,
    /// The machine.
    pub host: &'a Host,
}

impl Scope<'_> {
    /// Expands every specifier in `text`. An unknown one stays as it stands.
    ///
    /// # Errors
    /// A known one, for which this unit or this machine has nothing to stand there.
    pub fn expand(&self, text: &str) -> Result<String, ValueError> {
        if !text.contains('%') {
            return Ok(text.to_owned());
        }
        let mut expanded = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            match characters.next() {
                Some('%') | None => expanded.push('%'),
                Some(letter) => match self.value(letter)? {
                    Some(value) => expanded.push_str(&value),
                    None => expanded.extend(['%', letter]),
                },
            }
        }
        Ok(expanded)
    }

    fn value(&self, letter: char) -> Result<Option<String>, ValueError> {
        let missing = |reason| ValueError::Specifier { letter, reason };
        let (name, host) = (self.name, self.host);
        let instance = name.instance().unwrap_or_default();
        let unescaped =
            |text: &str| unescape_name(text).map_err(|_| missing("the name is not escaped right"));
        let os = |key: &str| host.os.get(key).cloned().unwrap_or_default();
        let last = || name.prefix().rsplit('-').next().unwrap_or_default();
        let value = match letter {
            'i' => instance.to_owned(),
            'I' => unescaped(instance)?,
            'n' => name.as_str().to_owned(),
            'N' => name.stem().to_owned(),
            'p' => name.prefix().to_owned(),
            'P' => unescaped(name.prefix())?,
            'j' => last().to_owned(),
            'J' => unescaped(last())?,
            'f' => {
                let path = if instance.is_empty() { name.prefix() } else { instance };
                let path = unescaped(path)?;
                if path.starts_with('/') { path } else { format!("/{path}") }
            }
            'a' => host.architecture.clone(),
            'b' => host.boot_id.clone().ok_or_else(|| missing("this machine tells no boot id"))?,
            'm' => host.machine_id.clone().ok_or_else(|| missing("/etc/machine-id has no id"))?,
            'H' | 'q' => host.name.clone(),
            'l' => host.name.split('.').next().unwrap_or_default().to_owned(),
            'v' => host.kernel.clone(),
            'o' => os("ID"),
            'w' => os("VERSION_ID"),
            'W' => os("VARIANT_ID"),
            'B' => os("BUILD_ID"),
            'A' => os("IMAGE_VERSION"),
            'M' => os("IMAGE_ID"),
            'u' => host.user.0.clone(),
            'U' => host.user.1.to_string(),
            'g' => host.group.0.clone(),
            'G' => host.group.1.to_string(),
            'h' => host.home.clone(),
            's' => host.shell.clone(),
            't' => "/run".to_owned(),
            'S' => "/var/lib".to_owned(),
            'C' => "/var/cache".to_owned(),
            'L' => "/var/log".to_owned(),
            'E' => "/etc".to_owned(),
            'T' => "/tmp".to_owned(),
            'V' => "/var/tmp".to_owned(),
            'd' => format!("/run/credentials/{name}"),
            'y' if !self.fragment.is_empty() => self.fragment.to_owned(),
            'Y' if !self.fragment.is_empty() => {
                self.fragment.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
            }
            'y' | 'Y' => return Err(missing("the unit has no file")),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            architecture: "x86-64".to_owned(),
            boot_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
            machine_id: None,
            name: "ground.example".to_owned(),
            kernel: "6.1.0".to_owned(),
            os: BTreeMap::from([("ID".to_owned(), "debian".to_owned())]),
            user: ("root".to_owned(), 0),
            group: ("root".to_owned(), 0),
            home: "/home/of/root".to_owned(),
            shell: "/bin/sh".to_owned(),
        }
    }

    fn check(name: &str, text: &str, expected: &str) {
        let name = UnitName::parse(name).expect("a name");
        let host = host();
        let scope = Scope { name: &name, fragment: "/etc/systemd/system/foo-bar@.service", host: &host };
        assert_eq!(scope.expand(text).as_deref(), Ok(expected), "{text} in {name}");
    }

    #[test]
    fn every_specifier() {
        let name = "foo-bar@var-lib\\x2dx.service";
        for (text, expected) in [
            ("%i %I", "var-lib\\x2dx var/lib-x"),
            ("%n", name),
            ("%N", "foo-bar@var-lib\\x2dx"),
            ("%p %P %j %J", "foo-bar foo/bar bar bar"),
            ("%f", "/var/lib-x"),
            ("%H %l %v %a %b", "ground.example ground 6.1.0 x86-64 0123456789abcdef0123456789abcdef"),
            ("%o%w", "debian"),
            ("%u %U %g %G %h %s", "root 0 root 0 /home/of/root /bin/sh"),
            ("%t %S %C %L %E %T %V", "/run /var/lib /var/cache /var/log /etc /tmp /var/tmp"),
            ("%y %Y", "/etc/systemd/system/foo-bar@.service /etc/systemd/system"),
            ("100%% %", "100% %"),
            ("%F %z", "%F %z"),
        ] {
            check(name, text, expected);
        }
        check("a-b.service", "%i|%I|%f|%p", "||/a/b|a-b");
    }

    #[test]
    fn what_this_machine_does_not_have() {
        let (name, host) = (UnitName::parse("a.service").expect("a name"), host());
        let scope = Scope { name: &name, fragment: "", host: &host };
        for letter in ['m', 'y', 'Y'] {
            let error = scope.expand(&format!("%{letter}")).expect_err("nothing to stand there");
            assert!(matches!(error, ValueError::Specifier { letter: found, .. } if found == letter));
        }
    }
}
