//! How each supervisor is started as the first process, and how one of its units is started and stopped.

/// A supervisor under measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Perigee,
    Systemd,
    S6,
    Runit,
    Openrc,
    /// None at all: the same processes, started by a bare loop.
    Floor,
}

const SERVICES: &str = "/run/bench/services";

impl Peer {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "perigee" => Self::Perigee,
            "systemd" => Self::Systemd,
            "s6" => Self::S6,
            "runit" => Self::Runit,
            "openrc" => Self::Openrc,
            "floor" => Self::Floor,
            _ => return None,
        })
    }

    /// The script that writes its units.
    pub fn tree(self) -> Option<&'static str> {
        match self {
            Self::Perigee | Self::Systemd => Some("/bench/trees/systemd"),
            Self::S6 => Some("/bench/trees/s6"),
            Self::Runit => Some("/bench/trees/runit"),
            Self::Openrc => Some("/bench/trees/openrc"),
            Self::Floor => None,
        }
    }

    /// What the first process becomes. Openrc starts services and goes: something else is the first process there.
    pub fn command(self, target: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Perigee => &["/usr/bin/perigee", "init", "--unit", target],
            Self::Systemd => &["/lib/systemd/systemd", "--system", "--unit", target],
            Self::S6 => &["/usr/bin/s6-svscan", "-c", "1100", SERVICES],
            Self::Runit => &["/usr/bin/runsvdir", SERVICES],
            Self::Openrc => &["/sbin/openrc", "bench"],
            Self::Floor => &[],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Whether it is told to run each one-shot once, by a letter to the process that keeps it.
    pub fn is_told_once(self) -> bool {
        matches!(self, Self::S6 | Self::Runit)
    }

    /// Where that letter goes.
    pub fn control(number: u64) -> String {
        format!("{SERVICES}/bench-{number}/supervise/control")
    }

    pub fn start_one(self) -> &'static [&'static str] {
        match self {
            Self::Perigee => &["/usr/bin/perigee", "ctl", "start", "one.service"],
            Self::Systemd => &["/bin/systemctl", "start", "one.service"],
            Self::S6 => &["/usr/bin/s6-svc", "-uwU", "/run/bench/services/one"],
            Self::Runit => &["/usr/bin/sv", "start", "/run/bench/extra/one"],
            Self::Openrc => &["/sbin/rc-service", "one", "start"],
            Self::Floor => &["/bench/once"],
        }
    }

    pub fn stop_one(self) -> &'static [&'static str] {
        match self {
            Self::Perigee => &["/usr/bin/perigee", "ctl", "stop", "one.service"],
            Self::Systemd => &["/bin/systemctl", "stop", "one.service"],
            Self::S6 => &["/usr/bin/s6-svc", "-dwD", "/run/bench/services/one"],
            Self::Runit => &["/usr/bin/sv", "stop", "/run/bench/extra/one"],
            Self::Openrc => &["/sbin/rc-service", "one", "stop"],
            Self::Floor => &["/bin/true"],
        }
    }
}
