//! What the machine has, of which a limit may be a share.

use std::fs;
use std::path::Path;

use perigee_units::value::Amount;

/// What the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Octets of memory.
    pub memory: u64,
    /// Octets of swap space.
    pub swap: u64,
    /// The most tasks.
    pub tasks: u64,
}

impl Default for Machine {
    /// A machine without bounds, for who only wants to know which controllers are needed.
    fn default() -> Machine {
        Machine { memory: u64::MAX, swap: u64::MAX, tasks: u64::MAX }
    }
}

impl Machine {
    /// This machine.
    pub fn read() -> Machine {
        Machine::read_below(Path::new("/"))
    }

    fn read_below(root: &Path) -> Machine {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
        let info = read("proc/meminfo").unwrap_or_default();
        let kilos = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        let most = [number("proc/sys/kernel/pid_max"), number("proc/sys/kernel/threads-max")];
        Machine {
            memory: kilos("MemTotal").unwrap_or(u64::MAX),
            swap: kilos("SwapTotal").unwrap_or(0),
            tasks: most.into_iter().flatten().min().unwrap_or(u64::MAX),
        }
    }

    /// An amount as a number, of what there is `whole` of; none for no limit.
    pub(crate) fn resolve(amount: Amount, whole: u64) -> Option<u64> {
        match amount {
            Amount::Absolute(number) => Some(number),
            // A share is hundredths of a percent.
            Amount::Share(share) => {
                let part = u128::from(whole) * u128::from(share) / 10_000;
                Some(u64::try_from(part).unwrap_or(u64::MAX))
            }
            Amount::Infinity => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_there_is() {
        assert_eq!(Machine::resolve(Amount::Share(1500), 32_768), Some(4915));
        assert_eq!(Machine::resolve(Amount::Share(10_000), u64::MAX), Some(u64::MAX));
        assert_eq!(Machine::resolve(Amount::Absolute(7), 1), Some(7));
        assert_eq!(Machine::resolve(Amount::Infinity, 1), None);
    }

    #[test]
    fn this_machine_has_memory_and_tasks() {
        let root = tempfile::tempdir().expect("a folder");
        let sys = root.path().join("proc/sys/kernel");
        fs::create_dir_all(&sys).expect("made");
        fs::write(root.path().join("proc/meminfo"), "MemTotal:       1000 kB\nSwapTotal: 5 kB\n")
            .expect("written");
        fs::write(sys.join("pid_max"), "32768\n").expect("written");
        fs::write(sys.join("threads-max"), "100\n").expect("written");
        let expected = Machine { memory: 1_024_000, swap: 5120, tasks: 100 };
        assert_eq!(Machine::read_below(root.path()), expected);
        assert!(Machine::read().memory > 1 << 20 && Machine::read().tasks > 100);
    }
}
