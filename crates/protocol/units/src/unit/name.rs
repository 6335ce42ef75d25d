//! Names of units: `nginx.service`, `getty@.service` (a template), `getty@tty1.service` (an instance).

use std::fmt;

use crate::value::ValueError;

/// The longest name.
const LONGEST_NAME: usize = 255;

/// What a unit is, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitKind {
    /// Processes.
    Service,
    /// A socket that starts a service.
    Socket,
    /// A point in the order of things.
    Target,
    /// Starts a unit at a time.
    Timer,
    /// Starts a unit when a path changes.
    Path,
    /// A mounted file system.
    Mount,
    /// A mount made when it is used.
    Automount,
    /// A device of the kernel.
    Device,
    /// Swap space.
    Swap,
    /// A group of control groups.
    Slice,
    /// Processes that someone else started.
    Scope,
    /// Work inside the process of the supervisor. It has no file: the program brings it.
    Task,
}

impl UnitKind {
    /// All of them.
    pub const ALL: [UnitKind; 12] = [
        UnitKind::Service,
        UnitKind::Socket,
        UnitKind::Target,
        UnitKind::Timer,
        UnitKind::Path,
        UnitKind::Mount,
        UnitKind::Automount,
        UnitKind::Device,
        UnitKind::Swap,
        UnitKind::Slice,
        UnitKind::Scope,
        UnitKind::Task,
    ];

    /// The ending of the name, without the dot.
    pub fn suffix(self) -> &'static str {
        match self {
            UnitKind::Service => "service",
            UnitKind::Socket => "socket",
            UnitKind::Target => "target",
            UnitKind::Timer => "timer",
            UnitKind::Path => "path",
            UnitKind::Mount => "mount",
            UnitKind::Automount => "automount",
            UnitKind::Device => "device",
            UnitKind::Swap => "swap",
            UnitKind::Slice => "slice",
            UnitKind::Scope => "scope",
            UnitKind::Task => "task",
        }
    }

    /// The section of a unit file that belongs to this kind alone; targets, devices and tasks have none.
    pub fn section(self) -> Option<&'static str> {
        match self {
            UnitKind::Service => Some("Service"),
            UnitKind::Socket => Some("Socket"),
            UnitKind::Timer => Some("Timer"),
            UnitKind::Path => Some("Path"),
            UnitKind::Mount => Some("Mount"),
            UnitKind::Automount => Some("Automount"),
            UnitKind::Swap => Some("Swap"),
            UnitKind::Slice => Some("Slice"),
            UnitKind::Scope => Some("Scope"),
            UnitKind::Target | UnitKind::Device | UnitKind::Task => None,
        }
    }
}

/// The checked name of a unit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitName {
    text: String,
    kind: UnitKind,
}

impl UnitName {
    /// Checks a name.
    ///
    /// # Errors
    /// No known ending, characters that may not stand in a name, or more than 255 octets.
    pub fn parse(text: &str) -> Result<UnitName, ValueError> {
        let wrong = || ValueError::UnitName(text.to_owned());
        let (stem, suffix) = text.rsplit_once('.').ok_or_else(wrong)?;
        let kind = UnitKind::ALL.into_iter().find(|kind| kind.suffix() == suffix).ok_or_else(wrong)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let prefixed = !stem.is_empty() && !stem.starts_with('@');
        if text.len() > LONGEST_NAME || !prefixed || !stem.chars().all(allowed) {
            return Err(wrong());
        }
        Ok(UnitName { text: text.to_owned(), kind })
    }

    /// The name as it stands.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it is.
    pub fn kind(&self) -> UnitKind {
        self.kind
    }

    /// Without the ending: `getty@tty1`.
    pub fn stem(&self) -> &str {
        &self.text[..self.text.len() - self.kind.suffix().len() - 1]
    }

    /// Before the `@`, or all of the stem where there is none.
    pub fn prefix(&self) -> &str {
        self.stem().split_once('@').map_or(self.stem(), |(prefix, _)| prefix)
    }

    /// Behind the `@`; empty for a template, none where there is no `@`.
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Whether it is a template, from which instances are made.
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template that an instance is made from.
    pub fn template(&self) -> Option<UnitName> {
        let made = self.instance().is_some_and(|instance| !instance.is_empty());
        made.then(|| UnitName { text: format!("{}@.{}", self.prefix(), self.kind.suffix()), kind: self.kind })
    }

    /// The instance of a template.
    ///
    /// # Errors
    /// What comes out is no name.
    pub fn with_instance(&self, instance: &str) -> Result<UnitName, ValueError> {
        UnitName::parse(&format!("{}@{instance}.{}", self.prefix(), self.kind.suffix()))
    }

    /// A unit of another kind with the same stem: the service of a socket, say.
    pub fn of_kind(&self, kind: UnitKind) -> UnitName {
        UnitName { text: format!("{}.{}", self.stem(), kind.suffix()), kind }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names() {
        let name = UnitName::parse("foo-bar@a-b.c.service").expect("a name");
        assert_eq!(
            (name.stem(), name.prefix(), name.instance()),
            ("foo-bar@a-b.c", "foo-bar", Some("a-b.c"))
        );
        assert_eq!(name.template().expect("a template").as_str(), "foo-bar@.service");
        assert!(!name.is_template());
        let template = UnitName::parse("getty@.service").expect("a name");
        assert!(template.is_template() && template.template().is_none());
        assert_eq!(template.with_instance("tty1").expect("a name").as_str(), "getty@tty1.service");
        let plain = UnitName::parse("a.b.socket").expect("a name");
        assert_eq!((plain.stem(), plain.instance(), plain.kind()), ("a.b", None, UnitKind::Socket));
        assert_eq!(plain.of_kind(UnitKind::Service).as_str(), "a.b.service");
    }

    #[test]
    fn what_is_no_name() {
        let long = format!("{}.service", "a".repeat(248));
        for text in ["", "nginx", ".service", "@.service", "@a.service", "a/b.service", "a b.service", &long]
        {
            assert_eq!(UnitName::parse(text), Err(ValueError::UnitName(text.to_owned())), "{text}");
        }
        assert!(UnitName::parse(&long[1..]).is_ok());
    }
}
