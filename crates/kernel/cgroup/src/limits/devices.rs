//! Which devices the processes of a group may open: a list in the files of version 1, a small program for the kernel in
//! version 2.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::sys::stat::{major, minor};
use perigee_units::value::{DeviceValue, OfDevice};

use super::Limits;
use crate::hierarchy::write;
use crate::{Controller, Group, Mode, Unmet, sys};

/// `DevicePolicy=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DevicePolicy {
    /// All devices, unless some are allowed by name.
    #[default]
    Auto,
    /// The usual pseudo-devices, and those that are allowed by name.
    Closed,
    /// Only those that are allowed by name.
    Strict,
}

/// The pseudo-devices that every program may expect.
const USUAL: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "char-pts",
];

/// A kind of devices that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    block: bool,
    major: u32,
    /// None for all of them.
    minor: Option<u32>,
    read: bool,
    write: bool,
    make: bool,
}

/// Rules for one group are no more than this.
const MOST_RULES: usize = 1000;

impl Limits {
    /// Whether devices are limited at all.
    pub(super) fn limits_devices(&self) -> bool {
        self.device_policy != DevicePolicy::Auto || !self.devices.is_empty()
    }
}

impl Group {
    pub(super) fn apply_devices(&self, limits: &Limits, before: Option<&Limits>) -> Vec<Unmet> {
        let limited = limits.limits_devices();
        if !limited && !before.is_some_and(Limits::limits_devices) {
            return Vec::new();
        }
        let table = fs::read_to_string("/proc/devices").unwrap_or_default();
        let mut unmet = Vec::new();
        let mut rules = Vec::new();
        let usual = USUAL.iter().map(|device| OfDevice {
            device: (*device).to_owned(),
            value: DeviceValue::Access { read: true, write: true, make: true },
        });
        let usual: Vec<_> = usual.filter(|_| limits.device_policy != DevicePolicy::Strict).collect();
        for (named, device) in usual
            .iter()
            .map(|device| (false, device))
            .chain(limits.devices.iter().map(|device| (true, device)))
        {
            match rules_of(device, &table) {
                Ok(found) => rules.extend(found),
                Err(reason) if named => {
                    unmet.push(Unmet::new("DeviceAllow", format!("{}: {reason}", device.device)));
                }
                Err(_) => {}
            }
        }
        rules.truncate(MOST_RULES);
        let rules = limited.then_some(rules);
        if let Err(reason) = self.set_devices(rules.as_deref()) {
            let directive = if limits.devices.is_empty() { "DevicePolicy" } else { "DeviceAllow" };
            unmet.push(Unmet::new(directive, reason));
        }
        unmet
    }

    /// Allows these devices; all of them where there is no list.
    fn set_devices(&self, rules: Option<&[Rule]>) -> Result<(), String> {
        if let Some(tree) = self.hierarchy.tree_of(Controller::Devices) {
            let dir = self.in_tree(tree);
            let say =
                |file: &str, text: &str| write(&dir.join(file), text).map_err(|error| error.to_string());
            let Some(rules) = rules else { return say("devices.allow", "a") };
            say("devices.deny", "a")?;
            return rules.iter().try_for_each(|rule| say("devices.allow", &rule.line()));
        }
        if self.hierarchy.has(Controller::Devices) != Some(Mode::Unified) {
            return Err(self.hierarchy.why_not(Controller::Devices));
        }
        let told = |doing: &str| {
            let doing = doing.to_owned();
            move |error: std::io::Error| format!("cannot {doing} a program for the kernel: {error}")
        };
        let dir = fs::File::open(self.dir()).map_err(|error| error.to_string())?;
        let old = sys::device_programs(&dir).map_err(told("look for"))?;
        if let Some(rules) = rules {
            let program = sys::load_device_program(&program(rules)).map_err(told("load"))?;
            sys::attach_device_program(&dir, &program).map_err(told("attach"))?;
        }
        // The new one holds already: at no moment is everything allowed.
        for program in old {
            sys::detach_device_program(&dir, &program).map_err(told("detach"))?;
        }
        Ok(())
    }
}

impl Rule {
    /// As version 1 takes it.
    fn line(&self) -> String {
        let kind = if self.block { 'b' } else { 'c' };
        let minor = self.minor.map_or("*".to_owned(), |minor| minor.to_string());
        let mut line = format!("{kind} {}:{minor} ", self.major);
        line.extend(
            [(self.read, 'r'), (self.write, 'w'), (self.make, 'm')].iter().filter(|l| l.0).map(|l| l.1),
        );
        line
    }
}

/// The rules that a device or a class of devices comes to. `table` is the text of /proc/devices.
fn rules_of(device: &OfDevice, table: &str) -> Result<Vec<Rule>, String> {
    let DeviceValue::Access { read, write, make } = device.value else { return Ok(Vec::new()) };
    let rule = |block, major, minor| Rule { block, major, minor, read, write, make };
    for (class, block) in [("char-", false), ("block-", true)] {
        if let Some(pattern) = device.device.strip_prefix(class) {
            let found: Vec<_> =
                majors(pattern, block, table).into_iter().map(|major| rule(block, major, None)).collect();
            return if found.is_empty() {
                Err("there is no such class of devices".to_owned())
            } else {
                Ok(found)
            };
        }
    }
    let metadata = fs::metadata(Path::new(&device.device)).map_err(|error| error.to_string())?;
    let kind = metadata.file_type();
    if !kind.is_block_device() && !kind.is_char_device() {
        return Err("it is no device".to_owned());
    }
    let number = metadata.rdev();
    Ok(vec![rule(kind.is_block_device(), major(number) as u32, Some(minor(number) as u32))])
}

/// The numbers of the classes whose names match.
fn majors(pattern: &str, block: bool, table: &str) -> Vec<u32> {
    let mut in_blocks = false;
    let mut found = Vec::new();
    for line in table.lines() {
        match line.trim() {
            "Character devices:" => in_blocks = false,
            "Block devices:" => in_blocks = true,
            line => {
                let Some((number, name)) = line.split_once(' ') else { continue };
                if in_blocks == block && matches(pattern.as_bytes(), name.trim().as_bytes()) {
                    found.extend(number.parse::<u32>());
                }
            }
        }
    }
    found
}

/// Whether a name matches a pattern with `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, here));
            at += 1;
        } else if pattern.get(at).is_some_and(|octet| *octet == b'?' || *octet == name[here]) {
            (at, here) = (at + 1, here + 1);
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (at, here) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|octet| *octet == b'*')
}

/// The instructions, linux/bpf.h, that look through the rules: 1 allows, 0 does not.
fn program(rules: &[Rule]) -> Vec<u64> {
    /// One instruction: code, registers to and from, offset, constant.
    fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> u64 {
        let [low, high] = offset.to_le_bytes();
        let [a, b, c, d] = constant.to_le_bytes();
        u64::from_le_bytes([code, from << 4 | to, low, high, a, b, c, d])
    }
    const LOAD: u8 = 0x61;
    const MOVE: u8 = 0xBC;
    const AND: u8 = 0x54;
    const SHIFT: u8 = 0x74;
    const SET: u8 = 0xB7;
    const UNLESS: u8 = 0x56;
    const EXIT: u8 = 0x95;
    // The context is three words: access and kind, major, minor.
    let mut all = vec![
        instruction(LOAD, 2, 1, 0, 0),
        instruction(MOVE, 3, 2, 0, 0),
        instruction(AND, 2, 0, 0, 0xFFFF),
        instruction(SHIFT, 3, 0, 0, 16),
        instruction(LOAD, 4, 1, 4, 0),
        instruction(LOAD, 5, 1, 8, 0),
    ];
    for rule in rules {
        // Making is 1, reading 2, writing 4; a block device is 1, another one 2.
        let refused = 7 & !(i32::from(rule.make) | i32::from(rule.read) << 1 | i32::from(rule.write) << 2);
        let checks = 3 + u8::from(rule.minor.is_some());
        // Past what is left of this rule: the checks after this one, the copy, and the way out.
        let mut left = i16::from(checks) + 3;
        let mut skip = || {
            left -= 1;
            left + 1
        };
        all.push(instruction(UNLESS, 2, 0, skip(), if rule.block { 1 } else { 2 }));
        all.push(instruction(UNLESS, 4, 0, skip(), rule.major as i32));
        if let Some(minor) = rule.minor {
            all.push(instruction(UNLESS, 5, 0, skip(), minor as i32));
        }
        all.push(instruction(MOVE, 6, 3, 0, 0));
        all.push(instruction(AND, 6, 0, 0, refused));
        all.push(instruction(UNLESS, 6, 0, 2, 0));
        all.push(instruction(SET, 0, 0, 0, 1));
        all.push(instruction(EXIT, 0, 0, 0, 0));
    }
    all.extend([instruction(SET, 0, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Character devices:\n  1 mem\n  4 /dev/vc/0\n  4 tty\n136 pts\n189 usb_device\n\nBlock devices:\n  8 sd\n259 blkext\n";

    #[test]
    fn devices_become_rules() {
        let rules = |device: &str| {
            let value = DeviceValue::Access { read: true, write: true, make: false };
            let rules = rules_of(&OfDevice { device: device.to_owned(), value }, TABLE)?;
            Ok::<_, String>(rules.iter().map(Rule::line).collect::<Vec<_>>().join(", "))
        };
        assert_eq!(rules("/dev/null").as_deref(), Ok("c 1:3 rw"));
        assert_eq!(rules("char-pts").as_deref(), Ok("c 136:* rw"));
        assert_eq!(rules("block-*").as_deref(), Ok("b 8:* rw, b 259:* rw"));
        assert_eq!(rules("char-?s?_dev*").as_deref(), Ok("c 189:* rw"));
        for device in ["char-sd", "block-pts", "/dev/no such", "/proc/version"] {
            assert!(rules(device).is_err(), "{device}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, yes) in [
            ("*", "", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("?", "", false),
            ("pts", "ptsx", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), yes, "{pattern} {name}");
        }
    }

    /// The program, carried out step by step, decides as the rules say.
    #[test]
    fn the_program_decides_as_the_rules_say() {
        let rules = [
            Rule { block: false, major: 1, minor: Some(3), read: true, write: true, make: false },
            Rule { block: true, major: 8, minor: None, read: true, write: false, make: false },
            Rule { block: false, major: 1, minor: Some(3), read: false, write: false, make: true },
        ];
        let program = program(&rules);
        for block in [false, true] {
            for (major, minor) in [(1, 3), (1, 4), (8, 0), (8, 3), (9, 9)] {
                for access in 0..8_u32 {
                    let expected = rules.iter().any(|rule| {
                        let allowed =
                            u32::from(rule.make) | u32::from(rule.read) << 1 | u32::from(rule.write) << 2;
                        rule.block == block
                            && rule.major == major
                            && rule.minor.is_none_or(|only| only == minor)
                            && access & !allowed == 0
                    });
                    let context = [access << 16 | if block { 1 } else { 2 }, major, minor];
                    assert_eq!(
                        run(&program, context),
                        u32::from(expected),
                        "{block} {major}:{minor} {access}"
                    );
                }
            }
        }
    }

    fn run(program: &[u64], context: [u32; 3]) -> u32 {
        let mut registers = [0_u32; 11];
        let mut at = 0;
        loop {
            let [code, both, low, high, a, b, c, d] = program[at].to_le_bytes();
            let (to, from) = (usize::from(both & 15), usize::from(both >> 4));
            let offset = i16::from_le_bytes([low, high]);
            let constant = u32::from_le_bytes([a, b, c, d]);
            at += 1;
            match code {
                0x61 => registers[to] = context[offset as usize / 4],
                0xBC => registers[to] = registers[from],
                0x54 => registers[to] &= constant,
                0x74 => registers[to] >>= constant,
                0xB7 => registers[to] = constant,
                0x56 if registers[to] != constant => at += offset as usize,
                0x56 => {}
                0x95 => return registers[0],
                other => panic!("{other:#x}"),
            }
        }
    }
}
