//! Options of mounts, as fstab(5) and `Options=` write them: what becomes flags of mount(2), what the file system
//! gets as text, and what is for those who mount.

use nix::mount::MsFlags;

/// Options, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Flags of mount(2).
    pub flags: MsFlags,
    /// How mounts go on to other name spaces; a call of its own.
    pub propagation: Vec<MsFlags>,
    /// What the file system itself reads.
    pub data: String,
    /// What only mount(8) can do: loop devices, folders made on the way.
    pub needs_helper: bool,
    /// What is for the supervisor: `noauto`, `nofail`, `_netdev`, and everything that begins with `x-`.
    pub extra: Vec<String>,
}

/// Links are not followed; nix has no name for it.
const NO_SYMFOLLOW: MsFlags = MsFlags::from_bits_retain(256);

/// Options that set a flag, and those that take it back.
const FLAGS: [(&str, &str, MsFlags); 14] = [
    ("ro", "rw", MsFlags::MS_RDONLY),
    ("nosuid", "suid", MsFlags::MS_NOSUID),
    ("nodev", "dev", MsFlags::MS_NODEV),
    ("noexec", "exec", MsFlags::MS_NOEXEC),
    ("sync", "async", MsFlags::MS_SYNCHRONOUS),
    ("dirsync", "", MsFlags::MS_DIRSYNC),
    ("noatime", "atime", MsFlags::MS_NOATIME),
    ("nodiratime", "diratime", MsFlags::MS_NODIRATIME),
    ("relatime", "norelatime", MsFlags::MS_RELATIME),
    ("strictatime", "nostrictatime", MsFlags::MS_STRICTATIME),
    ("lazytime", "nolazytime", MsFlags::MS_LAZYTIME),
    ("iversion", "noiversion", MsFlags::MS_I_VERSION),
    ("silent", "loud", MsFlags::MS_SILENT),
    ("nosymfollow", "symfollow", NO_SYMFOLLOW),
];

/// Options that say what is to be done.
const DEEDS: [(&str, MsFlags); 4] = [
    ("bind", MsFlags::MS_BIND),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC)),
    ("remount", MsFlags::MS_REMOUNT),
    ("move", MsFlags::MS_MOVE),
];

const PROPAGATION: [(&str, MsFlags); 8] = [
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(MsFlags::MS_REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(MsFlags::MS_REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(MsFlags::MS_REC)),
];

/// Options that say nothing to the kernel.
const EXTRA: [&str; 13] = [
    "auto", "noauto", "nofail", "fail", "_netdev", "user", "nouser", "users", "nousers", "owner", "noowner",
    "group", "nogroup",
];

impl MountOptions {
    /// Takes options apart; a comma in quotation marks belongs to its option.
    pub fn parse(text: &str) -> MountOptions {
        let mut options = MountOptions {
            flags: MsFlags::empty(),
            propagation: Vec::new(),
            data: String::new(),
            needs_helper: false,
            extra: Vec::new(),
        };
        split(text)
            .filter(|option| !option.is_empty() && *option != "defaults")
            .for_each(|option| options.take(option));
        options
    }

    fn take(&mut self, option: &str) {
        let name = option.split('=').next().unwrap_or(option);
        let plain =
            FLAGS.into_iter().find(|(on, off, _)| *on == option || (!off.is_empty() && *off == option));
        if let Some((on, _, flag)) = plain {
            self.flags.set(flag, on == option);
        } else if let Some((_, flags)) = DEEDS.into_iter().find(|(name, _)| *name == option) {
            self.flags |= flags;
        } else if let Some((_, flags)) = PROPAGATION.into_iter().find(|(name, _)| *name == option) {
            self.propagation.push(flags);
        } else if name.starts_with("X-mount.")
            || matches!(name, "loop" | "offset" | "sizelimit" | "encryption")
        {
            self.needs_helper = true;
        } else if EXTRA.contains(&option)
            || name.starts_with("x-")
            || name.starts_with("X-")
            || matches!(name, "comment" | "helper" | "uhelper")
        {
            // Mounting by others than root goes without these three.
            if matches!(option, "user" | "users" | "owner" | "group") {
                self.flags |= MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            }
            self.extra.push(option.to_owned());
        } else {
            if !self.data.is_empty() {
                self.data.push(',');
            }
            self.data.push_str(option);
        }
    }

    /// Whether it is there as a word of its own.
    pub fn has(&self, extra: &str) -> bool {
        self.extra.iter().any(|option| option == extra)
    }

    /// Every value of `NAME=VALUE`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.extra.iter().filter_map(move |option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The options of a list, without splitting what is in quotation marks.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_apart() {
        let options = MountOptions::parse(
            "defaults,ro,nosuid,size=50%,rw,noexec,mode=0755,x-systemd.requires=a.service,nofail,rshared,context=\"a,b\"",
        );
        assert_eq!(options.flags, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "the last of ro and rw counts");
        assert_eq!(options.data, "size=50%,mode=0755,context=\"a,b\"");
        assert_eq!(options.propagation, [MsFlags::MS_SHARED | MsFlags::MS_REC]);
        assert!(options.has("nofail") && !options.has("noauto") && !options.needs_helper);
        assert_eq!(options.values("x-systemd.requires").collect::<Vec<_>>(), ["a.service"]);
        assert!(
            MountOptions::parse("ro,loop").needs_helper && MountOptions::parse("X-mount.mkdir").needs_helper
        );
        assert_eq!(MountOptions::parse("rbind,user,exec").flags.bits(), 4096 | 16384 | 2 | 4);
        assert_eq!(MountOptions::parse("").data, "");
    }
}
