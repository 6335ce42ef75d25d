//! What a unit file says about resources, and how it is set in the files of a group.
//!
//! [`Limits::of`] reads a unit, `settings` says what belongs into which file of version 2 and of version 1, and
//! [`Group::apply`] writes it where the controller lives. The names of the directives are those of
//! systemd.resource-control(5).

mod devices;
mod io;
mod machine;
mod read;
mod settings;

use std::time::Duration;

use perigee_units::value::{Amount, OfDevice};

use crate::hierarchy::write;
use crate::{Controller, Group, GroupError, Hierarchy, Mode, Unmet};

pub use devices::DevicePolicy;
pub use machine::Machine;
use settings::Setting;

/// A share of a resource, when it is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Only what nobody else wants.
    Idle,
    /// From 1 to 10,000; 100 is usual.
    Of(u64),
}

/// What a unit may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `MemoryMin=`, octets.
    pub memory_min: Option<Amount>,
    /// `MemoryLow=`, octets.
    pub memory_low: Option<Amount>,
    /// `MemoryHigh=`, octets.
    pub memory_high: Option<Amount>,
    /// `MemoryMax=`, octets.
    pub memory_max: Option<Amount>,
    /// `MemorySwapMax=`, octets.
    pub swap_max: Option<Amount>,
    /// `MemoryZSwapMax=`, octets.
    pub zswap_max: Option<Amount>,
    /// `OOMPolicy=kill`: the kernel kills the whole group when its memory is over.
    pub oom_group: bool,
    /// `CPUQuota=`, hundredths of a percent of one processor.
    pub cpu_quota: Option<u32>,
    /// `CPUQuotaPeriodSec=`.
    pub cpu_period: Option<Duration>,
    /// `CPUWeight=`.
    pub cpu_weight: Option<Weight>,
    /// `CPUShares=`, the same for version 1, from 2 to 262,144; 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// `TasksMax=`, processes and threads.
    pub tasks_max: Option<Amount>,
    /// `IOWeight=`.
    pub io_weight: Option<u64>,
    /// `IOReadBandwidthMax=` and its like, device by device.
    pub io: Vec<(&'static str, OfDevice)>,
    /// `DevicePolicy=`.
    pub device_policy: DevicePolicy,
    /// `DeviceAllow=`.
    pub devices: Vec<OfDevice>,
    /// `AllowedCPUs=`, as `0-3,5`.
    pub cpus: Option<String>,
    /// `AllowedMemoryNodes=`, as `0-1`.
    pub memory_nodes: Option<String>,
    /// `Delegate=`: the controllers that the unit itself may hand down; none where it is not delegated.
    pub delegate: Option<Vec<Controller>>,
    /// Whether memory is counted: `MemoryAccounting=`, on by default.
    pub count_memory: bool,
    /// Whether tasks are counted: `TasksAccounting=`, on by default.
    pub count_tasks: bool,
    /// Whether the time of processors is counted: `CPUAccounting=`, on by default.
    pub count_cpu: bool,
    /// Whether input and output are counted: `IOAccounting=`.
    pub count_io: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_min: None,
            memory_low: None,
            memory_high: None,
            memory_max: None,
            swap_max: None,
            zswap_max: None,
            oom_group: false,
            cpu_quota: None,
            cpu_period: None,
            cpu_weight: None,
            cpu_shares: None,
            tasks_max: None,
            io_weight: None,
            io: Vec::new(),
            device_policy: DevicePolicy::Auto,
            devices: Vec::new(),
            cpus: None,
            memory_nodes: None,
            delegate: None,
            count_memory: true,
            count_tasks: true,
            count_cpu: true,
            count_io: false,
        }
    }
}

impl Limits {
    /// The controllers that a group needs for these limits and for counting.
    pub fn controllers(&self) -> Vec<Controller> {
        let counted = [
            (self.count_memory, Controller::Memory),
            (self.count_tasks, Controller::Pids),
            (self.count_cpu, Controller::CpuAccounting),
            (self.count_io || !self.io.is_empty(), Controller::Io),
            (self.limits_devices(), Controller::Devices),
        ];
        let counted = counted.into_iter().filter(|(counted, _)| *counted).map(|(_, controller)| controller);
        let mut needed: Vec<_> = counted.collect();
        needed.extend(self.settings(&Machine::default()).into_iter().map(|setting| setting.controller));
        needed.extend(self.delegate.iter().flatten());
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}

impl Group {
    /// Makes the group where these limits need it, as [`Group::create`], and sets them, as [`Group::apply`].
    ///
    /// # Errors
    /// Processes in it could not be tracked.
    pub fn establish(
        &self,
        limits: &Limits,
        before: Option<&Limits>,
        machine: &Machine,
    ) -> Result<Vec<Unmet>, GroupError> {
        self.create(&limits.controllers())?;
        Ok(self.apply(limits, before, machine))
    }

    /// Sets the limits of the group, which must be there, and returns those that do not hold, with the reason. Limits
    /// that were set `before` and no longer are, are lifted.
    pub fn apply(&self, limits: &Limits, before: Option<&Limits>, machine: &Machine) -> Vec<Unmet> {
        let settings = limits.settings(machine);
        let lifted = before.map(|before| before.settings(machine)).unwrap_or_default();
        let lifted =
            lifted.into_iter().filter(|old| !settings.iter().any(|new| new.directive == old.directive));
        let lifted: Vec<_> = lifted.map(Setting::lift).collect();
        let mut unmet = Vec::new();
        for (setting, lifting) in
            lifted.iter().map(|old| (old, true)).chain(settings.iter().map(|new| (new, false)))
        {
            if let Err(reason) = self.set(setting)
                && !lifting
            {
                unmet.push(Unmet::new(setting.directive, reason));
            }
        }
        unmet.extend(self.apply_io(limits, before));
        unmet.extend(self.apply_devices(limits, before));
        unmet
    }

    fn set(&self, setting: &Setting) -> Result<(), String> {
        let hierarchy: &Hierarchy = &self.hierarchy;
        let (dir, writes) = match (hierarchy.tree_of(setting.controller), hierarchy.has(setting.controller)) {
            (Some(tree), _) => (self.in_tree(tree), &setting.legacy),
            (None, Some(Mode::Unified)) => (self.dir(), &setting.unified),
            _ => return Err(hierarchy.why_not(setting.controller)),
        };
        let writes = writes.as_ref().map_err(|reason| (*reason).to_owned())?;
        let mut done = 0;
        let mut failed = None;
        for one in writes {
            let there = one.files.iter().map(|file| dir.join(file)).find(|path| path.exists());
            let result = match there {
                Some(path) => write(&path, &one.text).map_err(|error| error.to_string()),
                None => {
                    Err(self.why_no_file(setting.controller, one.files.first().copied().unwrap_or_default()))
                }
            };
            match result {
                Ok(()) => done += 1,
                Err(reason) if one.optional => failed = failed.or(Some(reason)),
                Err(reason) => return Err(reason),
            }
        }
        match failed {
            Some(reason) if done == 0 => Err(reason),
            _ => Ok(()),
        }
    }

    /// Why a group has no such file though its controller is here.
    fn why_no_file(&self, controller: Controller, file: &str) -> String {
        let Some(tree) = self.hierarchy.unified().filter(|_| self.hierarchy.tree_of(controller).is_none())
        else {
            return format!("this kernel has no {file}");
        };
        let name = controller.unified_name().unwrap_or_default();
        let above = self.dir().parent().map(|above| above.join("cgroup.subtree_control"));
        let handed = above.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        if handed.split_whitespace().any(|known| known == name) {
            return format!("this kernel has no {file}");
        }
        let base = tree.base_dir();
        let others = crate::group::pids_in(&base).map(|pids| pids.len()).unwrap_or(0);
        match others {
            0 => format!("the {name} controller is not handed down to it"),
            _ => format!(
                "the {name} controller cannot be handed down, since {others} processes are in {} itself",
                base.display()
            ),
        }
    }
}
