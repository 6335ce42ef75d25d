//! What `systemctl` says of units that run, with its exit statuses, as scripts ask for them. Needs root; says so where it is
//! not to be had.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::init::{Init, may_run};

/// Units of every sort that the answers differ for.
const UNITS: [(&str, &str); 8] = [
    (
        "runs.service",
        "[Unit]\nDescription=It runs\n[Service]\nExecStart=/bin/sleep 600\nExecReload=/bin/true\nUser=root\n",
    ),
    ("other.service", "[Service]\nExecStart=/bin/sleep 600\n"),
    ("fails.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 3'\n"),
    ("left.service", "[Unit]\nConditionPathExists=/nowhere\n[Service]\nExecStart=/bin/sleep 600\n"),
    ("needs.service", "[Unit]\nRequires=gone.service\n[Service]\nExecStart=/bin/sleep 600\n"),
    ("alone.service", "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/sleep 600\n"),
    (
        "tells.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'test \"$PERIGEE_TOLD\" = 1 -a \"$OTHER\" = mine'\nEnvironment=OTHER=mine\n",
    ),
    ("noon.timer", "[Timer]\nOnCalendar=12:00\nUnit=runs.service\n"),
];

/// What is called, its exit status, and a part of what it prints.
type Asked = (&'static str, i32, &'static str);

const ASKED: [Asked; 62] = [
    // What keeps one unit from it does not keep the others.
    ("start gone other", 5, "Failed to start gone.service: Unit gone.service not found."),
    ("is-active other", 0, "active"),
    ("stop gone other fails", 5, "Failed to stop gone.service: Unit gone.service not loaded."),
    ("is-active other", 3, "inactive"),
    ("reload-or-restart runs other", 0, ""),
    ("is-active other", 0, "active"),
    ("stop runs", 0, ""),
    ("try-reload-or-restart runs", 0, ""),
    ("is-active runs", 3, "inactive"),
    ("force-reload runs", 0, ""),
    ("is-active runs", 0, "active"),
    ("stop left", 0, ""),
    ("try-restart other", 0, ""),
    ("try-restart gone", 5, "Unit gone.service not found."),
    ("reload runs", 0, ""),
    ("reload other", 3, "Job type reload is not applicable for unit other.service."),
    ("start needs", 5, "gone.service"),
    ("start alone", 4, "Operation refused"),
    ("start left", 0, ""),
    ("start fails", 1, "Job for fails.service failed"),
    ("is-active", 1, "too few arguments"),
    ("is-active gone", 3, "inactive"),
    ("is-active left fails runs", 0, "inactive\nfailed\nactive\n"),
    ("is-failed fails", 0, "failed"),
    ("is-failed runs", 1, "active"),
    ("is-system-running", 1, "degraded"),
    ("status runs", 0, "Active: active (running) since "),
    ("status left", 3, "Active: inactive (dead)"),
    ("status gone", 4, "Unit gone.service could not be found."),
    (
        "show -p Type,Restart,User,ExecMainStatus,CanReload runs",
        0,
        "Type=simple\nRestart=no\nUser=root\nExecMainStatus=0\nCanReload=yes\n",
    ),
    ("show -p Type --value fails", 0, "oneshot\n"),
    (
        "show -p ExecMainCode,ExecMainStatus,ConditionResult fails",
        0,
        "ExecMainCode=1\nExecMainStatus=3\nConditionResult=yes\n",
    ),
    ("show -p ConditionResult left", 0, "ConditionResult=no\n"),
    (
        "reset-failed gone",
        1,
        "Failed to reset failed state of unit gone.service: Unit gone.service not loaded.",
    ),
    ("kill gone", 1, "Failed to kill unit gone.service: Unit gone.service not loaded."),
    ("list-timers --no-legend --all", 0, "noon.timer runs.service"),
    ("list-units --no-legend --plain runs.service", 0, "runs.service loaded active running It runs"),
    ("list-jobs", 0, "No jobs running."),
    // Variables for all services, from their next start on.
    ("set-environment PERIGEE_TOLD=1 OTHER=a=b", 0, ""),
    ("show-environment", 0, "OTHER=a=b\nPERIGEE_TOLD=1\n"),
    ("start tells", 0, ""),
    ("set-environment 1X=secret", 1, "name of a variable"),
    ("unset-environment OTHER=c PERIGEE_TOLD", 0, ""),
    ("show-environment", 0, "OTHER=a=b\n"),
    ("import-environment PERIGEE_RUNTIME", 0, ""),
    ("show-environment", 0, "PERIGEE_RUNTIME="),
    ("import-environment NOT_SET_ANYWHERE", 1, "NOT_SET_ANYWHERE is not set here"),
    ("unset-environment OTHER PERIGEE_RUNTIME", 0, ""),
    ("show-environment", 0, ""),
    ("set-environment", 1, "too few arguments"),
    // Limits, while the unit runs and for its next starts.
    ("set-property --runtime runs TasksMax=50 CPUWeight=7", 0, ""),
    ("show -p TasksMax runs", 0, ""),
    ("set-property runs ExecStart=/bin/x", 1, "nothing that can be set"),
    ("set-property runs CPUWeight=0", 1, "CPUWeight=0"),
    ("set-property gone CPUWeight=7", 1, "gone.service"),
    ("set-property runs", 1, "too few arguments"),
    ("log-level", 0, "info"),
    ("log-level warning", 0, ""),
    ("log-level", 0, "warning"),
    ("log-level loud", 1, "no level"),
    ("list-machines --no-legend", 0, "(host) degraded 1 0"),
    ("list-machines", 0, "1 machines listed."),
];

#[test]
fn what_runs_is_told_as_scripts_expect() {
    if !may_run("what_runs_is_told_as_scripts_expect") {
        return;
    }
    let init = Init::boot("runs.service noon.timer", &UNITS);
    init.wait_for("noon.timer", perigee_units::machine::State::Active);
    init.wait_for("runs.service", perigee_units::machine::State::Active);
    let link = init.path("systemctl");
    symlink(env!("CARGO_BIN_EXE_perigee"), &link).unwrap();
    for (arguments, status, part) in ASKED {
        let mut command = Command::new(&link);
        command.env("PERIGEE_RUNTIME", init.path("run")).env_remove("SYSTEMD_OFFLINE");
        let output = command.args(arguments.split(' ')).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        // Columns are as wide as what stands in them.
        let told = String::from_utf8_lossy(&both);
        let squeezed: Vec<_> = told
            .split('\n')
            .map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
            .collect();
        let squeezed = squeezed.join("\n");
        assert!(squeezed.contains(part), "systemctl {arguments}: {told}");
        assert_eq!(output.status.code(), Some(status), "systemctl {arguments}: {told}");
    }
    // What was set until the next boot lies where the supervisor has its own, one file a directive.
    let folder = init.path("run").join("transient/runs.service.d");
    let text = std::fs::read_to_string(folder.join("51-CPUWeight.conf")).unwrap();
    assert!(text.ends_with("[Service]\nCPUWeight=7\n"), "{text}");
    assert!(folder.join("51-TasksMax.conf").exists());
}
