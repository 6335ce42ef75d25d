//! Relations that follow from what a unit is, without being said: the implicit and the default dependencies of
//! systemd's manual pages.

use perigee_units::machine::Relation;
use perigee_units::unit::{Unit, UnitKind, UnitName, Value};
use perigee_units::value::escape_path;

use perigee_mount::{Mount, MountOptions};

/// A relation, the other unit, and whether the other unit is the one that refers.
pub(super) type Link = (Relation, UnitName, bool);

/// Relations in the making.
struct Links<'a> {
    unit: &'a Unit,
    found: Vec<Link>,
}

/// Everything that follows from what a unit is. `exists` says whether there are files for a name: mounts and slices
/// without any need no unit.
pub(super) fn links(unit: &Unit, exists: &mut dyn FnMut(&UnitName) -> bool) -> Vec<Link> {
    let mut links = Links { unit, found: Vec::new() };
    links.by_kind();
    links.by_slice(exists);
    links.by_paths(exists);
    if has_defaults(unit) {
        links.by_default();
    }
    links.found
}

/// Whether the unit wants the default dependencies.
pub(super) fn has_defaults(unit: &Unit) -> bool {
    unit.last("Unit", "DefaultDependencies") != Some(&Value::Bool(false))
}

impl Links<'_> {
    fn add(&mut self, relation: Relation, name: &str, reversed: bool) {
        // What is no name is the name of no unit.
        self.found.extend(UnitName::parse(name).map(|name| (relation, name, reversed)));
    }

    fn needs(&mut self, name: &str) {
        self.add(Relation::Requires, name, false);
        self.add(Relation::After, name, false);
    }

    fn flag(&self, section: &str, name: &str) -> bool {
        self.unit.last(section, name) == Some(&Value::Bool(true))
    }

    /// What a unit that starts another has to do with it.
    fn by_kind(&mut self) {
        let unit = self.unit;
        let named = |section: &str, directive: &str| match unit.last(section, directive) {
            Some(Value::Units(names)) => names.first().cloned(),
            _ => None,
        };
        let service = unit.name.of_kind(UnitKind::Service);
        let triggered = match unit.name.kind() {
            UnitKind::Socket if self.flag("Socket", "Accept") => None,
            UnitKind::Socket => Some(named("Socket", "Service").unwrap_or(service)),
            UnitKind::Timer => Some(named("Timer", "Unit").unwrap_or(service)),
            UnitKind::Path => Some(named("Path", "Unit").unwrap_or(service)),
            _ => None,
        };
        if let Some(triggered) = triggered {
            self.add(Relation::After, triggered.as_str(), true);
        }
        if unit.name.kind() == UnitKind::Service {
            for value in unit.all("Service", "Sockets") {
                let Value::Units(names) = value else { continue };
                for name in names {
                    self.add(Relation::Wants, name.as_str(), false);
                    self.add(Relation::After, name.as_str(), false);
                }
            }
            let kind = unit.last("Service", "Type");
            let of_bus = kind == Some(&Value::Text("dbus".to_owned())) || kind.is_none();
            if of_bus && unit.last("Service", "BusName").is_some() {
                self.needs("dbus.socket");
            }
        }
    }

    /// The slice that a unit is in, and the slice that a slice is in.
    fn by_slice(&mut self, exists: &mut dyn FnMut(&UnitName) -> bool) {
        let unit = self.unit;
        if unit.name.kind() == UnitKind::Slice {
            // The root of all slices is always there.
            if let Some((above, _)) = unit.name.stem().rsplit_once('-').filter(|(above, _)| !above.is_empty())
            {
                self.needs(&format!("{above}.slice"));
            }
            return;
        }
        let Some(section) = unit.name.kind().section() else { return };
        if let Some(Value::Units(names)) = unit.last(section, "Slice") {
            names.iter().for_each(|name| self.needs(name.as_str()));
            return;
        }
        if matches!(unit.name.kind(), UnitKind::Service | UnitKind::Socket | UnitKind::Mount | UnitKind::Swap)
        {
            let own = unit.name.instance().filter(|_| unit.name.kind() == UnitKind::Service);
            let own = own.map(|_| format!("system-{}.slice", unit.name.prefix().replace('-', "\\x2d")));
            for name in own.into_iter().chain(["system.slice".to_owned()]) {
                // One of which nobody has said anything limits nothing.
                if UnitName::parse(&name).is_ok_and(|name| exists(&name)) {
                    self.needs(&name);
                }
            }
        }
    }

    /// The mounts that a unit's paths lie on.
    fn by_paths(&mut self, exists: &mut dyn FnMut(&UnitName) -> bool) {
        for path in paths(self.unit) {
            let mut above = Some(path.trim_end_matches('/'));
            while let Some(place) = above {
                let name = UnitName::parse(&format!("{}.mount", escape_path(place)));
                if let Ok(name) = name.map_err(drop)
                    && name != self.unit.name
                    && exists(&name)
                {
                    self.needs(name.as_str());
                }
                above = if place.is_empty() { None } else { place.rsplit_once('/').map(|(above, _)| above) };
            }
        }
    }

    fn by_default(&mut self) {
        let kind = self.unit.name.kind();
        match kind {
            UnitKind::Service => {
                self.needs("sysinit.target");
                self.add(Relation::After, "basic.target", false);
            }
            UnitKind::Socket | UnitKind::Timer | UnitKind::Path => {
                self.needs("sysinit.target");
                let target = match kind {
                    UnitKind::Socket => "sockets.target",
                    UnitKind::Timer => "timers.target",
                    _ => "paths.target",
                };
                self.add(Relation::After, target, true);
            }
            UnitKind::Mount => return self.mount_by_default(),
            UnitKind::Swap => {
                self.add(Relation::After, "swap.target", true);
                return self.goes_with("umount.target");
            }
            UnitKind::Target | UnitKind::Slice => {}
            _ => return,
        }
        if kind == UnitKind::Timer && self.unit.last("Timer", "OnCalendar").is_some() {
            // The clock on the wall should be right before it is gone by.
            self.add(Relation::After, "time-set.target", false);
            self.add(Relation::After, "time-sync.target", false);
        }
        if self.unit.name.as_str() != "shutdown.target" {
            self.goes_with("shutdown.target");
        }
    }

    /// Stops before this target is reached.
    fn goes_with(&mut self, target: &str) {
        self.add(Relation::Conflicts, target, false);
        self.add(Relation::After, target, true);
    }

    fn mount_by_default(&mut self) {
        let Some(mount) = Mount::read(self.unit) else { return };
        if mount.stays() {
            return;
        }
        let optional = MountOptions::parse(&mount.options).has("nofail");
        let target = if mount.is_network() {
            self.add(Relation::After, "remote-fs-pre.target", false);
            self.add(Relation::After, "network.target", false);
            self.add(Relation::Wants, "network-online.target", false);
            self.add(Relation::After, "network-online.target", false);
            "remote-fs.target"
        } else {
            self.add(Relation::After, "local-fs-pre.target", false);
            "local-fs.target"
        };
        if !optional {
            self.add(Relation::After, target, true);
        }
        if mount.kind.as_deref() == Some("tmpfs") {
            // What lies in memory may have to go to the swap space.
            self.add(Relation::After, "swap.target", false);
        }
        self.goes_with("umount.target");
    }
}

/// The paths that a unit cannot be without.
fn paths(unit: &Unit) -> Vec<String> {
    let mut paths = Vec::new();
    for value in unit.all("Unit", "RequiresMountsFor") {
        if let Value::Words(words) = value {
            paths.extend(words.iter().cloned());
        }
    }
    let Some(section) = unit.name.kind().section() else { return paths };
    let text = |name: &str| match unit.last(section, name) {
        Some(Value::Text(text)) => Some(text.strip_prefix('-').unwrap_or(text).to_owned()),
        _ => None,
    };
    let named = ["WorkingDirectory", "RootDirectory", "RootImage"].into_iter().filter_map(text);
    paths.extend(named.filter(|path| path.starts_with('/')));
    for (directive, above) in [
        ("RuntimeDirectory", "/run"),
        ("StateDirectory", "/var/lib"),
        ("CacheDirectory", "/var/cache"),
        ("LogsDirectory", "/var/log"),
        ("ConfigurationDirectory", "/etc"),
    ] {
        for value in unit.all(section, directive) {
            let Value::Words(words) = value else { continue };
            // What stands behind a colon is a link to it.
            let folders = words.iter().map(|word| word.split(':').next().unwrap_or(word));
            paths.extend(folders.map(|folder| format!("{above}/{folder}")));
        }
    }
    if unit.last(section, "PrivateTmp") == Some(&Value::Bool(true)) {
        paths.extend(["/tmp".to_owned(), "/var/tmp".to_owned()]);
    }
    match unit.name.kind() {
        UnitKind::Socket | UnitKind::Path => {
            let of_kind = unit.settings.iter().filter(|setting| {
                let known =
                    ["PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"];
                setting.section == section
                    && (setting.directive.starts_with("Listen") || known.contains(&setting.directive))
            });
            let texts = of_kind.filter_map(|setting| match &setting.value {
                Value::Text(text) if text.starts_with('/') => Some(text.clone()),
                _ => None,
            });
            paths.extend(texts);
        }
        UnitKind::Timer if unit.last(section, "Persistent") == Some(&Value::Bool(true)) => {
            paths.push("/var/lib/systemd/timers".to_owned());
        }
        UnitKind::Mount => {
            if let Some(mount) = Mount::read(unit) {
                paths.extend(mount.place.rsplit_once('/').map(|(above, _)| above.to_owned()));
                paths.extend(
                    Some(mount.what).filter(|what| what.starts_with('/') && !what.starts_with("/dev/")),
                );
            }
        }
        UnitKind::Swap => {
            paths.extend(text("What").filter(|what| what.starts_with('/') && !what.starts_with("/dev/")));
        }
        _ => {}
    }
    paths
}
