//! Conditions and assertions: what must be true of the machine for a unit to be started, systemd.unit(5).
//!
//! All conditions must hold, and of those marked with `|` one. A condition that does not hold lets the unit be as it
//! is; an assertion that does not hold fails it. A test that cannot be made does not hold, negated or not.

mod compare;
mod cpu;
mod kernel;
mod paths;
mod pressure;
mod virtualization;
mod world;

use std::path::PathBuf;

use perigee_units::unit::{Condition, Setting, Unit, Value};

pub use world::World;

/// Whether a unit may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may.
    Holds,
    /// A condition does not hold: the unit is left as it is, and that is no failure.
    ConditionFailed(Unmet),
    /// An assertion does not hold: the start fails.
    AssertFailed(Unmet),
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The directive.
    pub directive: &'static str,
    /// What stands behind it.
    pub value: String,
    /// The file that says so.
    pub file: PathBuf,
    /// The line in it.
    pub line: u32,
}

impl std::fmt::Display for Unmet {
    /// `ConditionPathExists=!/etc/x is not met`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={} is not met", self.directive, self.value)
    }
}

/// Why a test could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TestError {
    /// What stands behind the `=` means nothing.
    #[error("`{0}` is not understood")]
    Parameter(String),
    /// The kernel does not tell.
    #[error("{0} cannot be read")]
    Unknown(&'static str),
}

type Tested = Result<bool, TestError>;

/// Tests the conditions of a unit, and its assertions if they hold.
pub fn check(unit: &Unit, world: &World) -> Outcome {
    if let Some(unmet) = first_unmet(unit, world, "Condition") {
        return Outcome::ConditionFailed(unmet);
    }
    first_unmet(unit, world, "Assert").map_or(Outcome::Holds, Outcome::AssertFailed)
}

fn first_unmet(unit: &Unit, world: &World, prefix: &'static str) -> Option<Unmet> {
    let mut any: Option<(bool, &Setting, &Condition)> = None;
    for setting in &unit.settings {
        let (Some(test), Value::Condition(condition)) =
            (setting.directive.strip_prefix(prefix), &setting.value)
        else {
            continue;
        };
        let holds = holds(test, condition, world);
        if condition.any {
            let before = any.take();
            any = Some(match before {
                Some((met, setting, first)) => (met || holds, setting, first),
                None => (holds, setting, condition),
            });
        } else if !holds {
            return Some(unmet(unit, setting, condition));
        }
    }
    any.filter(|(met, ..)| !met).map(|(_, setting, condition)| unmet(unit, setting, condition))
}

fn unmet(unit: &Unit, setting: &Setting, condition: &Condition) -> Unmet {
    let marks = [(condition.any, "|"), (condition.negated, "!")];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    Unmet {
        directive: setting.directive,
        value: format!("{marks}{}", condition.parameter),
        file: unit.files.get(setting.file).cloned().unwrap_or_default(),
        line: setting.line,
    }
}

fn holds(test: &str, condition: &Condition, world: &World) -> bool {
    tested(test, &condition.parameter, world).is_ok_and(|holds| holds != condition.negated)
}

/// One test, by the name of its directive without `Condition` or `Assert`.
fn tested(test: &str, parameter: &str, world: &World) -> Tested {
    match test {
        "PathExists" => Ok(world.at(parameter).exists()),
        "PathExistsGlob" => Ok(paths::glob_exists(world, parameter)),
        "PathIsDirectory" => Ok(world.at(parameter).is_dir()),
        "PathIsSymbolicLink" => Ok(world.at(parameter).is_symlink()),
        "PathIsMountPoint" => Ok(paths::is_mount_point(world, parameter)),
        "PathIsReadWrite" => Ok(paths::is_writable(world, parameter)),
        "PathIsEncrypted" => Ok(paths::is_encrypted(world, parameter)),
        "DirectoryNotEmpty" => Ok(paths::has_entries(world, parameter)),
        "FileNotEmpty" => {
            let metadata = world.at(parameter).metadata();
            Ok(metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0))
        }
        "FileIsExecutable" => Ok(paths::is_executable(world, parameter)),
        "NeedsUpdate" => Ok(kernel::needs_update(world, parameter)),
        "FirstBoot" => kernel::first_boot(world, parameter),
        "Architecture" => Ok(kernel::architecture(world, parameter)),
        "Firmware" => kernel::firmware(world, parameter),
        "Virtualization" => Ok(virtualization::test(world, parameter)),
        "Host" => Ok(kernel::host(world, parameter)),
        "KernelCommandLine" => Ok(kernel::command_line(world, parameter)),
        "KernelVersion" => compare::kernel_version(&world.kernel_release(), parameter),
        "Credential" => Ok(kernel::credential(world, parameter)),
        "Security" => kernel::security(world, parameter),
        "Capability" => kernel::capability(world, parameter),
        "ACPower" => kernel::on_power(world, parameter),
        "Memory" => cpu::memory(world, parameter),
        "CPUFeature" => Ok(cpu::feature(world, parameter)),
        "CPUs" => cpu::count(world, parameter),
        "Environment" => Ok(match parameter.split_once('=') {
            Some((name, value)) => world.environment.get(name).is_some_and(|found| found == value),
            None => world.environment.contains_key(parameter),
        }),
        "User" => Ok(world.is_user(parameter)),
        "Group" => Ok(world.is_group(parameter)),
        "ControlGroupController" => Ok(kernel::controllers(world, parameter)),
        "OSRelease" => compare::os_release(&world.os_release(), parameter),
        "MemoryPressure" => pressure::test(world, "memory", parameter),
        "CPUPressure" => pressure::test(world, "cpu", parameter),
        "IOPressure" => pressure::test(world, "io", parameter),
        _ => Err(TestError::Unknown("this test")),
    }
}

fn yes_or_no(parameter: &str) -> Result<bool, TestError> {
    perigee_units::value::parse_bool(parameter).map_err(|_| TestError::Parameter(parameter.to_owned()))
}
