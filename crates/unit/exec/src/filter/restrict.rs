//! What is refused by looking at a system call's arguments, and small fixed lists.

use nix::errno::Errno;
use perigee_process::FilterInstruction;

use super::super::namespaces::Namespaces;
use super::super::reader::Reader;
use super::assemble::{Action, Rule, Test, program, rules};
use super::numbers::{Architecture, HERE};
use super::{X32, names};

/// Kinds of namespaces, by the word for them, and the bit of clone(2).
const KINDS: [(&str, u32); 8] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("net", 0x4000_0000),
    ("mnt", 0x0002_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
    ("time", 0x80),
];
const ALL_KINDS: u64 = 0x7E02_0080;

/// Address families, by their number.
const FAMILIES: [(&str, u32); 42] = [
    ("AF_UNSPEC", 0),
    ("AF_UNIX", 1),
    ("AF_LOCAL", 1),
    ("AF_INET", 2),
    ("AF_AX25", 3),
    ("AF_IPX", 4),
    ("AF_APPLETALK", 5),
    ("AF_NETROM", 6),
    ("AF_BRIDGE", 7),
    ("AF_ATMPVC", 8),
    ("AF_X25", 9),
    ("AF_INET6", 10),
    ("AF_ROSE", 11),
    ("AF_KEY", 15),
    ("AF_NETLINK", 16),
    ("AF_PACKET", 17),
    ("AF_ECONET", 19),
    ("AF_ATMSVC", 20),
    ("AF_RDS", 21),
    ("AF_IRDA", 23),
    ("AF_PPPOX", 24),
    ("AF_WANPIPE", 25),
    ("AF_LLC", 26),
    ("AF_IB", 27),
    ("AF_MPLS", 28),
    ("AF_CAN", 29),
    ("AF_TIPC", 30),
    ("AF_BLUETOOTH", 31),
    ("AF_IUCV", 32),
    ("AF_RXRPC", 33),
    ("AF_ISDN", 34),
    ("AF_PHONET", 35),
    ("AF_IEEE802154", 36),
    ("AF_CAIF", 37),
    ("AF_ALG", 38),
    ("AF_NFC", 39),
    ("AF_VSOCK", 40),
    ("AF_KCM", 41),
    ("AF_QIPCRTR", 42),
    ("AF_SMC", 43),
    ("AF_XDP", 44),
    ("AF_MCTP", 45),
];

/// What a unit says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restrictions {
    /// Whether only the listed families may be used, instead of all but them.
    families: Option<(bool, Vec<u32>)>,
    /// Kinds of namespaces that may be made and entered.
    namespaces: Option<u64>,
    real_time: bool,
    write_execute: bool,
    set_id: bool,
    personality: Option<u32>,
    /// Groups and names that fail with EPERM.
    refused: Vec<&'static str>,
}

impl Restrictions {
    pub(crate) fn read(reader: &mut Reader<'_>, namespaces: &Namespaces, personality: u64) -> Self {
        let mut refused = Vec::new();
        for (wanted, names) in [
            (namespaces.host_name, &["sethostname", "setdomainname"][..]),
            (namespaces.clock, &["@clock"]),
            (namespaces.logs, &["syslog"]),
            (namespaces.modules, &["@module"]),
            (namespaces.devices, &["@raw-io"]),
            (namespaces.tunables, &["_sysctl"]),
        ] {
            if wanted {
                refused.extend(names);
            }
        }
        Restrictions {
            families: families(reader),
            namespaces: kinds(reader),
            real_time: reader.is("RestrictRealtime"),
            write_execute: reader.is("MemoryDenyWriteExecute"),
            set_id: reader.is("RestrictSUIDSGID"),
            personality: reader.is("LockPersonality").then_some(personality as u32),
            refused,
        }
    }

    /// `DynamicUser=` implies it.
    pub(crate) fn for_passing_user(&mut self) {
        self.set_id = true;
    }

    pub(super) fn any(&self) -> bool {
        let flags = [self.real_time, self.write_execute, self.set_id];
        flags.contains(&true)
            || self.families.is_some()
            || self.namespaces.is_some()
            || self.personality.is_some()
            || !self.refused.is_empty()
    }

    /// One program for all of it; none where nothing is refused.
    pub(super) fn programs(&self) -> Vec<Vec<FilterInstruction>> {
        let mut any = false;
        let sections = HERE.iter().map(|architecture| {
            let found = self.rules(*architecture);
            any |= !found.is_empty();
            let mut section = rules(&found);
            if *architecture == Architecture::X86_64 {
                let guard = super::ranges(&[(0, Action::Allow), (X32, Action::Error(Errno::ENOSYS as u16))]);
                section = guarded(guard, section);
            }
            (architecture.audit(), section)
        });
        let sections: Vec<_> = sections.collect();
        if any { vec![program(&sections, Action::Error(Errno::ENOSYS as u16))] } else { Vec::new() }
    }

    fn rules(&self, architecture: Architecture) -> Vec<Rule> {
        let mut found = Vec::new();
        let mut add = |name: &str, tests: &[(u8, Test)], errno: Errno| {
            let action = Action::Error(errno as u16);
            let rule = |number| Rule { number, tests: tests.to_vec(), action };
            found.extend(architecture.number(name).map(rule));
        };
        match &self.families {
            // Those of a list are refused one by one; of all others those of the list are excepted.
            Some((true, families)) => {
                let not_these: Vec<_> =
                    families.iter().map(|family| (0, Test::IsNot(u32::MAX, *family))).collect();
                add("socket", &not_these, Errno::EAFNOSUPPORT);
            }
            Some((false, families)) => {
                for family in families {
                    add("socket", &[(0, Test::Is(u32::MAX, *family))], Errno::EAFNOSUPPORT);
                }
            }
            None => {}
        }
        if let Some(allowed) = self.namespaces {
            let refused = (ALL_KINDS & !allowed) as u32;
            add("unshare", &[(0, Test::Any(refused))], Errno::EPERM);
            // Of clone(2) the lowest octet is a signal.
            add("clone", &[(0, Test::Any(refused & !0xFF))], Errno::EPERM);
            add("setns", &[(1, Test::Any(refused))], Errno::EPERM);
            add("setns", &[(1, Test::Is(u32::MAX, 0))], Errno::EPERM);
            // Its arguments are behind a pointer; who gets this uses clone(2).
            if refused != 0 {
                add("clone3", &[], Errno::ENOSYS);
            }
        }
        if self.real_time {
            let mask = !0x4000_0000;
            let tests: Vec<_> = [0, 3, 5].map(|policy| (1, Test::IsNot(mask, policy))).to_vec();
            add("sched_setscheduler", &tests, Errno::EPERM);
            add("sched_setattr", &[], Errno::EPERM);
        }
        if self.write_execute {
            let (write, execute) = (2, 4);
            for name in ["mmap", "mmap2"] {
                // The older one of x86 has its arguments behind a pointer.
                let blind = architecture == Architecture::X86 && name == "mmap";
                let tests: &[_] = if blind { &[] } else { &[(2, Test::All(write | execute))] };
                add(name, tests, Errno::EPERM);
            }
            for name in ["mprotect", "pkey_mprotect"] {
                add(name, &[(2, Test::Any(execute))], Errno::EPERM);
            }
            add("shmat", &[(2, Test::Any(0o100_000))], Errno::EPERM);
        }
        if self.set_id {
            let bits = Test::Any(0o6000);
            let modes = [
                ("chmod", 1),
                ("fchmod", 1),
                ("fchmodat", 2),
                ("fchmodat2", 2),
                ("mkdir", 1),
                ("mkdirat", 2),
                ("mknod", 1),
                ("mknodat", 2),
                ("creat", 1),
            ];
            for (name, place) in modes {
                add(name, &[(place, bits.clone())], Errno::EPERM);
            }
            // Only where a file is made the mode means something.
            for (name, flags) in [("open", 1), ("openat", 2)] {
                for made in [0o100, 0o20_000_000] {
                    add(name, &[(flags, Test::Any(made)), (flags + 1, bits.clone())], Errno::EPERM);
                }
            }
            add("openat2", &[], Errno::ENOSYS);
        }
        if let Some(current) = self.personality {
            let tests = [(0, Test::IsNot(u32::MAX, current)), (0, Test::IsNot(u32::MAX, u32::MAX))];
            add("personality", &tests, Errno::EPERM);
        }
        for name in &self.refused {
            names(name, &mut |name| add(name, &[], Errno::EPERM));
        }
        found
    }
}

/// The first section decides only where it does not allow: its returns which allow become a way to the second.
fn guarded(mut guard: Vec<FilterInstruction>, section: Vec<FilterInstruction>) -> Vec<FilterInstruction> {
    // It is a load, a comparison, a jump over the lower half, that half, and the upper half: two returns.
    let end = guard.len();
    for (at, instruction) in guard.iter_mut().enumerate() {
        if instruction.code == 0x06 && instruction.k == 0x7FFF_0000 {
            *instruction = FilterInstruction { code: 0x05, jt: 0, jf: 0, k: (end - at - 1) as u32 };
        }
    }
    guard.extend(section);
    guard
}

/// Yes refuses all, a list allows those in it, one with `~` all but those.
fn kinds(reader: &mut Reader<'_>) -> Option<u64> {
    let words = reader.words("RestrictNamespaces");
    if let [word] = words[..]
        && let Ok(restricted) = perigee_units::value::parse_bool(word)
    {
        return restricted.then_some(0);
    }
    let bit = |word: &str| KINDS.iter().find(|(name, _)| *name == word).map(|(_, bit)| u64::from(*bit));
    reader.set("RestrictNamespaces", ALL_KINDS, bit)
}

fn families(reader: &mut Reader<'_>) -> Option<(bool, Vec<u32>)> {
    let mut found: Option<(bool, Vec<u32>)> = None;
    for line in reader.lines("RestrictAddressFamilies") {
        let (negated, words) = super::split(line);
        if words == ["none"] && !negated {
            found = Some((true, Vec::new()));
            continue;
        }
        let (allow, families) = found.get_or_insert((!negated, Vec::new()));
        for word in words {
            match FAMILIES.iter().find(|(name, _)| *name == word) {
                // Once is enough: the program that comes of it has an end.
                Some((_, family)) if *allow != negated && families.contains(family) => {}
                Some((_, family)) if *allow != negated => families.push(*family),
                Some((_, family)) => families.retain(|known| known != family),
                None => reader.problem("RestrictAddressFamilies", word, "there is no such family"),
            }
        }
    }
    found
}
