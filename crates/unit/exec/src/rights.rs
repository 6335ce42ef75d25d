//! Users, capabilities and what goes with them, as steps of a process's beginning.

use perigee_process::Step;

use super::Steps;
use super::reader::Reader;

/// The capabilities by their numbers, capabilities(7).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Every capability that may ever be.
const ALL: u64 = u64::MAX;
const KEEP_CAPS: u32 = 1 << 4;

/// The bit of a capability.
pub(super) fn capability(name: &str) -> Option<u64> {
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|number| 1 << number)
}

/// What a unit says of rights.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    bounding: Option<u64>,
    ambient: u64,
    secure_bits: u32,
    pub(super) no_new_privileges: bool,
}

/// As whom a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// The supplementary groups; none where they stay as they are.
    pub(super) groups: Option<Vec<u32>>,
}

impl Rights {
    pub(super) fn read(reader: &mut Reader<'_>) -> Rights {
        let mut secure_bits = 0;
        for word in reader.words("SecureBits") {
            secure_bits |= match word {
                "noroot" => 1,
                "noroot-locked" => 2,
                "no-setuid-fixup" => 4,
                "no-setuid-fixup-locked" => 8,
                "keep-caps" => KEEP_CAPS,
                "keep-caps-locked" => 32,
                word => {
                    reader.problem("SecureBits", word, "there is no such bit");
                    0
                }
            };
        }
        Rights {
            bounding: reader.set("CapabilityBoundingSet", ALL, capability),
            ambient: reader.set("AmbientCapabilities", ALL, capability).unwrap_or(0),
            secure_bits,
            no_new_privileges: reader.is("NoNewPrivileges"),
        }
    }

    /// Takes capabilities away that a sandbox has no use for.
    pub(super) fn without(&mut self, taken: u64) {
        if taken != 0 {
            self.bounding = Some(self.bounding.unwrap_or(ALL) & !taken);
        }
    }

    /// The groups; before the file systems change, as long as nobody is dropped yet.
    pub(super) fn group_steps(steps: &mut Steps<'_, '_>, identity: &Identity) {
        if let Some(groups) = &identity.groups {
            steps.add(216, Step::Groups(groups.clone()));
        }
        if let Some(gid) = identity.gid {
            steps.add(216, Step::Gid(gid));
        }
    }

    /// The user and the capabilities; the last but the filter, and what the user must do itself.
    pub(super) fn steps(&self, steps: &mut Steps<'_, '_>, identity: &Identity, keeps_user: bool) {
        if let Some(bounding) = self.bounding {
            steps.try_to("CapabilityBoundingSet", Step::Bounding(bounding));
        }
        let changes = identity.uid.is_some() && !keeps_user;
        // What cannot be had cannot be handed on; the kernel would refuse all of it.
        let bounding = self.bounding.unwrap_or(ALL) & steps.bounding;
        let ambient = if keeps_user { 0 } else { self.ambient & bounding & steps.capabilities };
        if ambient != 0 && changes {
            steps.add(218, Step::KeepCapabilities(true));
        }
        if self.secure_bits != 0 {
            let keep = if ambient != 0 && changes { KEEP_CAPS } else { 0 };
            steps.try_to("SecureBits", Step::SecureBits(self.secure_bits | keep));
        }
        if let Some(uid) = identity.uid.filter(|_| !keeps_user) {
            steps.add(217, Step::Uid(uid));
        }
        if ambient != 0 {
            // Another user has only these; the superuser keeps the others.
            let kept = if changes { ambient } else { steps.capabilities & bounding };
            let set = Step::Capabilities { effective: kept, permitted: kept, inheritable: ambient };
            steps.add(218, set);
            steps.add(218, Step::Ambient(ambient));
        } else if changes && self.secure_bits & 4 != 0 {
            // Without the fix-up the change of user would leave them all.
            steps.add(218, Step::Capabilities { effective: 0, permitted: 0, inheritable: 0 });
        }
        let missing = if keeps_user { 0 } else { self.ambient & !ambient };
        if missing != 0 {
            let names: Vec<_> = (0..64)
                .filter(|number| missing >> number & 1 == 1)
                .map(|number| NAMES.get(number).copied().unwrap_or("?"))
                .collect();
            steps.note(format!("AmbientCapabilities=: {} cannot be handed out here", names.join(" ")));
        }
    }
}
