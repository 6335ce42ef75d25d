//! What of the system a process sees: file systems, network, names. What a unit says is read here; the steps that
//! make it so are in [`super::mounts`].

use nix::mount::MsFlags;

use super::reader::Reader;

/// How much of the system is read-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protect {
    #[default]
    No,
    Yes,
    Full,
    Strict,
}

/// What becomes of homes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Homes {
    #[default]
    Seen,
    Hidden,
    ReadOnly,
    Empty,
}

/// A path that may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) optional: bool,
    /// `+`: below the root of the unit, as it is anyway.
    pub(super) in_root: bool,
}

/// `BindPaths=` and `BindReadOnlyPaths=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) optional: bool,
    pub(super) recursive: bool,
    pub(super) read_only: bool,
}

/// What a unit says of namespaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespaces {
    pub(super) root: Option<String>,
    pub(super) api: bool,
    pub(super) read_write: Vec<Place>,
    pub(super) read_only: Vec<Place>,
    pub(super) inaccessible: Vec<Place>,
    pub(super) exec: Vec<Place>,
    pub(super) no_exec: Vec<Place>,
    pub(super) binds: Vec<Bind>,
    /// Paths with options.
    pub(super) empty: Vec<(String, String)>,
    pub(super) system: Protect,
    pub(super) homes: Homes,
    pub(super) tmp: bool,
    pub(super) devices: bool,
    pub(super) tunables: bool,
    pub(super) modules: bool,
    pub(super) logs: bool,
    pub(super) groups: bool,
    pub(super) clock: bool,
    pub(super) host_name: bool,
    /// Options of a `/proc` of its own.
    pub(super) proc: Vec<String>,
    pub(super) mounts: bool,
    /// How mounts go on from and to others: `shared`, `slave` or `private`.
    pub(super) propagation: Option<MsFlags>,
    pub(super) network: bool,
    pub(super) ipc: bool,
    pub(super) users: bool,
    pub(super) network_path: Option<String>,
    pub(super) ipc_path: Option<String>,
}

impl Namespaces {
    pub(super) fn read(reader: &mut Reader<'_>) -> Namespaces {
        let mut found = Namespaces {
            root: reader.text("RootDirectory").filter(|root| *root != "/").map(str::to_owned),
            api: reader.is("MountAPIVFS"),
            read_write: places(reader, "ReadWritePaths"),
            read_only: places(reader, "ReadOnlyPaths"),
            inaccessible: places(reader, "InaccessiblePaths"),
            exec: places(reader, "ExecPaths"),
            no_exec: places(reader, "NoExecPaths"),
            tmp: reader.is("PrivateTmp") || reader.text("PrivateTmp").is_some(),
            devices: reader.is("PrivateDevices"),
            tunables: reader.is("ProtectKernelTunables"),
            modules: reader.is("ProtectKernelModules"),
            logs: reader.is("ProtectKernelLogs"),
            groups: reader.is("ProtectControlGroups"),
            clock: reader.is("ProtectClock"),
            host_name: reader.is("ProtectHostname"),
            mounts: reader.is("PrivateMounts"),
            propagation: propagation(reader),
            network: reader.is("PrivateNetwork"),
            ipc: reader.is("PrivateIPC"),
            users: reader.is("PrivateUsers"),
            network_path: reader.text("NetworkNamespacePath").map(str::to_owned),
            ipc_path: reader.text("IPCNamespacePath").map(str::to_owned),
            ..Namespaces::default()
        };
        found.binds = binds(reader, "BindPaths", false);
        found.binds.extend(binds(reader, "BindReadOnlyPaths", true));
        for word in reader.words("TemporaryFileSystem") {
            let (path, options) = word.split_once(':').unwrap_or((word, ""));
            match perigee_units::value::parse_path(path) {
                Ok(path) => found.empty.push((path, options.to_owned())),
                Err(_) => {
                    reader.problem("TemporaryFileSystem", word, "it does not begin with an absolute path");
                }
            }
        }
        found.system = match (reader.flag("ProtectSystem"), reader.text("ProtectSystem")) {
            (Some(true), _) => Protect::Yes,
            (_, Some("full")) => Protect::Full,
            (_, Some("strict")) => Protect::Strict,
            _ => Protect::No,
        };
        found.homes = match (reader.flag("ProtectHome"), reader.text("ProtectHome")) {
            (Some(true), _) => Homes::Hidden,
            (_, Some("read-only")) => Homes::ReadOnly,
            (_, Some("tmpfs")) => Homes::Empty,
            _ => Homes::Seen,
        };
        match reader.text("ProtectProc") {
            None | Some("default") => {}
            Some(what) => found.proc.push(format!("hidepid={what}")),
        }
        if reader.text("ProcSubset") == Some("pid") {
            found.proc.push("subset=pid".to_owned());
        }
        found
    }

    /// `DynamicUser=` implies these.
    pub(super) fn for_passing_user(&mut self) {
        self.system = Protect::Strict;
        if self.homes == Homes::Seen {
            self.homes = Homes::ReadOnly;
        }
        self.tmp = true;
    }

    /// Whether it sees other mounts than the supervisor.
    pub(super) fn has_mounts(&self) -> bool {
        let lists = [&self.read_write, &self.read_only, &self.inaccessible, &self.exec, &self.no_exec];
        let flags = [
            self.tmp,
            self.devices,
            self.tunables,
            self.modules,
            self.logs,
            self.groups,
            self.mounts,
            self.ipc,
        ];
        lists.iter().any(|list| !list.is_empty())
            || flags.contains(&true)
            || self.system != Protect::No
            || self.homes != Homes::Seen
            || !self.binds.is_empty()
            || !self.empty.is_empty()
            || !self.proc.is_empty()
            || self.propagation.is_some()
            || self.root.is_some() && self.api
    }

    /// What the process has no use for any more.
    pub(super) fn without(&self) -> u64 {
        let names: [(bool, &[&str]); 4] = [
            (self.devices, &["CAP_MKNOD", "CAP_SYS_RAWIO"]),
            (self.modules, &["CAP_SYS_MODULE"]),
            (self.logs, &["CAP_SYSLOG"]),
            (self.clock, &["CAP_SYS_TIME", "CAP_WAKE_ALARM"]),
        ];
        let taken = names.iter().filter(|(taken, _)| *taken).flat_map(|(_, names)| names.iter());
        taken.filter_map(|name| super::rights::capability(name)).fold(0, |set, bit| set | bit)
    }
}

fn propagation(reader: &mut Reader<'_>) -> Option<MsFlags> {
    Some(match reader.text("MountFlags")? {
        "shared" => MsFlags::MS_SHARED,
        "slave" => MsFlags::MS_SLAVE,
        "private" => MsFlags::MS_PRIVATE,
        other => {
            reader.problem("MountFlags", other, "it is neither shared nor slave nor private");
            return None;
        }
    })
}

fn places(reader: &mut Reader<'_>, directive: &'static str) -> Vec<Place> {
    let mut found = Vec::new();
    for word in reader.words(directive) {
        let optional = word.starts_with('-');
        let path = word.strip_prefix('-').unwrap_or(word);
        let in_root = path.starts_with('+');
        let path = path.strip_prefix('+').unwrap_or(path);
        match perigee_units::value::parse_path(path) {
            Ok(path) => found.push(Place { path, optional, in_root }),
            Err(_) => reader.problem(directive, word, "it is not an absolute path"),
        }
    }
    found
}

fn binds(reader: &mut Reader<'_>, directive: &'static str, read_only: bool) -> Vec<Bind> {
    let mut found = Vec::new();
    for word in reader.words(directive) {
        let optional = word.starts_with('-');
        let rest = word.strip_prefix('-').unwrap_or(word);
        let mut parts = rest.split(':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next().filter(|target| !target.is_empty()).unwrap_or(source);
        let recursive = match parts.next() {
            None | Some("" | "rbind") => true,
            Some("norbind") => false,
            Some(_) => {
                reader.problem(directive, word, "its option is neither rbind nor norbind");
                continue;
            }
        };
        let path = perigee_units::value::parse_path;
        match (path(source), path(target)) {
            (Ok(source), Ok(target)) => found.push(Bind { source, target, optional, recursive, read_only }),
            _ => reader.problem(directive, word, "it is not SOURCE:TARGET with absolute paths"),
        }
    }
    found
}
