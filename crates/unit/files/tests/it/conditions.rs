//! Conditions and assertions: against a machine that is laid out in a folder, and against systemd on this one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use perigee_files::condition::{Outcome, World, check};
use perigee_units::unit::{Host, Source, Unit, UnitName};
use tempfile::TempDir;

fn unit(lines: &str) -> Unit {
    let source = Source { path: "x.target".into(), text: format!("[Unit]\n{lines}\n").into_bytes() };
    Unit::read(UnitName::parse("x.target").unwrap(), &[source], &Host::default())
}

fn world(root: &Path) -> World {
    World {
        root: root.to_owned(),
        architecture: "x86-64".to_owned(),
        environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
        users: [1000, 1000],
        groups: vec![1000, 7],
        audit: false,
    }
}

/// A machine that is a KVM guest with two processors, 1 GiB and a few files.
fn machine() -> (TempDir, World) {
    let root = tempfile::tempdir().unwrap();
    let files = [
        ("proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"),
        ("proc/sys/kernel/hostname", "Ground.example\n"),
        ("proc/cmdline", "quiet root=/dev/sda1 \"a b=c d\"\n"),
        ("proc/meminfo", "MemTotal:        1048576 kB\n"),
        ("proc/cpuinfo", "processor : 0\nflags\t\t: fpu avx2 pclmulqdq hypervisor\n"),
        ("proc/self/status", "Name:\tx\nCpus_allowed:\t3\nCapBnd:\t0000000000000021\n"),
        (
            "proc/self/mountinfo",
            "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 8:2 / /srv/a\\040b rw - ext4 /dev/sda2 rw\n",
        ),
        ("proc/self/uid_map", "0 0 4294967295\n"),
        ("proc/cgroups", "#subsys_name\nmemory 1 1 1\npids 1 1 1\ncpu 1 1 0\n"),
        (
            "proc/pressure/memory",
            "some avg10=3.00 avg60=2.00 avg300=1.00 total=1\nfull avg10=0.90 avg60=0.50 avg300=0.10 total=1\n",
        ),
        ("proc/pressure/cpu", "some avg10=50.00 avg60=2.00 avg300=1.00 total=1\n"),
        ("sys/fs/cgroup/a.slice/a-b.slice/io.pressure", "full avg10=9.00 avg60=9.00 avg300=9.00 total=1\n"),
        ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc kvm-clock\n"),
        ("sys/class/dmi/id/board_name", "Small Board 2\n"),
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/AC/online", "0\n"),
        ("sys/class/power_supply/BAT/type", "Battery\n"),
        ("sys/class/power_supply/BAT/status", "Discharging\n"),
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12.4\"\n"),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nbeacon:x:1000:1000::/:/bin/sh\n"),
        ("etc/group", "root:x:0:\nradio:x:7:\n"),
        ("srv/empty", ""),
        ("srv/full", "x"),
        ("srv/run", "x"),
        ("srv/a b/x", "x"),
        ("srv/dots/.x", "x"),
        ("run/systemd/first-boot", ""),
    ];
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let at = |path: &str| root.path().join(path);
    fs::set_permissions(at("srv/run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(at("srv/nothing")).unwrap();
    symlink("full", at("srv/link")).unwrap();
    symlink("gone", at("srv/broken")).unwrap();
    let world = world(root.path());
    (root, world)
}

#[test]
fn every_test_on_a_made_machine() {
    let (_root, world) = machine();
    let cases = "
        yes PathExists=/srv/full
        yes PathExists=/srv/link
        no PathExists=/srv/broken
        no PathExists=/srv/gone
        yes PathExistsGlob=/srv/f*
        yes PathExistsGlob=/srv/{x,f}ull
        no PathExistsGlob=/srv/*.x
        yes PathIsDirectory=/srv
        no PathIsDirectory=/srv/full
        yes PathIsSymbolicLink=/srv/broken
        no PathIsSymbolicLink=/srv/full
        yes PathIsMountPoint=/
        yes PathIsMountPoint=/srv/a b
        no PathIsMountPoint=/srv
        yes PathIsReadWrite=/srv
        no PathIsReadWrite=/gone
        no PathIsEncrypted=/srv
        yes DirectoryNotEmpty=/srv
        no DirectoryNotEmpty=/srv/nothing
        no DirectoryNotEmpty=/srv/dots
        no DirectoryNotEmpty=/srv/full
        yes FileNotEmpty=/srv/full
        no FileNotEmpty=/srv/empty
        no FileNotEmpty=/srv
        yes FileIsExecutable=/srv/run
        no FileIsExecutable=/srv/full
        no FileIsExecutable=/srv
        yes NeedsUpdate=/etc
        yes FirstBoot=yes
        no FirstBoot=no
        no FirstBoot=perhaps
        yes Architecture=x86-64
        yes Architecture=native
        no Architecture=arm64
        yes Architecture=!nonsense
        no Firmware=uefi
        yes Firmware=smbios-field(board_name = \"Small*\")
        no Firmware=smbios-field(board_name=Large)
        yes Virtualization=vm
        yes Virtualization=kvm
        yes Virtualization=yes
        no Virtualization=container
        no Virtualization=private-users
        yes Virtualization=!xen
        yes Host=ground.*
        yes Host=01234567-89ab-cdef-0123-456789abcdef
        no Host=other
        yes KernelCommandLine=quiet
        yes KernelCommandLine=root
        yes KernelCommandLine=root=/dev/sda1
        no KernelCommandLine=root=/dev/sda
        no KernelCommandLine=roo
        yes KernelCommandLine=a b
        yes KernelVersion=>= 6.1
        no KernelVersion=< 6.1
        yes KernelVersion=6.1.*-amd64
        no Credential=x
        no Security=selinux
        no Security=audit
        yes Capability=CAP_CHOWN
        yes Capability=kill
        no Capability=CAP_SYS_ADMIN
        no Capability=!CAP_NONSENSE
        no ACPower=yes
        yes ACPower=no
        yes Memory=1G
        yes Memory=>= 1G
        no Memory=>1G
        yes Memory=<2G
        no Memory=lots
        yes CPUFeature=avx2
        yes CPUFeature=pclmul
        no CPUFeature=avx512
        yes CPUs=2
        yes CPUs==2
        no CPUs=>2
        yes Environment=A
        yes Environment=A=1
        no Environment=A=2
        no Environment=B
        yes User=1000
        yes User=beacon
        no User=root
        no User=@system
        yes Group=radio
        yes Group=7
        no Group=root
        yes ControlGroupController=memory
        yes ControlGroupController=memory pids nonsense
        no ControlGroupController=cpu
        yes ControlGroupController=v1
        no ControlGroupController=v2
        yes OSRelease=ID=debian
        yes OSRelease=ID=debian VERSION_ID>=12
        no OSRelease=VERSION_ID>12.4
        yes OSRelease=VARIANT_ID!=server
        no OSRelease=ID
        yes MemoryPressure=0.2%
        no MemoryPressure=0.6%/10sec
        no CPUPressure=40%/10sec
        yes CPUPressure=40%/1min
        no IOPressure=a-b.slice:5%
        yes IOPressure=a-c.slice:5%
        no IOPressure=a-c.slice:5%/1h";
    let mut tested = 0;
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expected, case) = line.split_once(' ').unwrap();
        for list in ["Condition", "Assert"] {
            let unit = unit(&format!("{list}{case}"));
            assert_eq!(unit.settings.len(), 1, "{case}: {:?}", unit.complaints);
            assert_eq!(check(&unit, &world) == Outcome::Holds, expected == "yes", "{list}{case}");
            tested += 1;
        }
    }
    assert!(tested > 180, "{tested} cases only");
}

#[test]
fn how_tests_come_together() {
    let (_root, world) = machine();
    let yes = "PathExists=/srv";
    let no = "PathExists=/gone";
    for (lines, expected) in [
        (vec![], None),
        (
            vec![format!("Condition{yes}"), format!("Condition{no}")],
            Some(("ConditionPathExists", "/gone", 3)),
        ),
        (vec![format!("Condition{}", no.replace('=', "=!"))], None),
        (
            vec![
                format!("Condition{}", no.replace('=', "=|")),
                format!("Condition{}", yes.replace('=', "=|")),
            ],
            None,
        ),
        (
            vec![
                format!("Condition{}", no.replace('=', "=|")),
                format!("Condition{}", yes.replace('=', "=|!")),
            ],
            Some(("ConditionPathExists", "|/gone", 2)),
        ),
        (vec![format!("Assert{no}"), format!("Condition{yes}")], Some(("AssertPathExists", "/gone", 2))),
        (vec![format!("Assert{no}"), "ConditionUser=root".to_owned()], Some(("ConditionUser", "root", 3))),
        // An empty value takes back all of its list.
        (
            vec![
                format!("Condition{no}"),
                "ConditionUser=root".to_owned(),
                "ConditionPathExists=".to_owned(),
            ],
            None,
        ),
        (
            vec![format!("Assert{no}"), "ConditionPathExists=".to_owned()],
            Some(("AssertPathExists", "/gone", 2)),
        ),
    ] {
        let outcome = check(&unit(&lines.join("\n")), &world);
        let found = match &outcome {
            Outcome::Holds => None,
            Outcome::ConditionFailed(unmet) | Outcome::AssertFailed(unmet) => {
                let asserted = matches!(outcome, Outcome::AssertFailed(_));
                assert_eq!(asserted, unmet.directive.starts_with("Assert"));
                Some((unmet.directive, unmet.value.as_str(), unmet.line))
            }
        };
        assert_eq!(found, expected, "{lines:?}");
    }
}

/// The same lines, told to systemd on this machine.
#[test]
fn as_systemd_tests_them() {
    let found = Command::new("systemd-analyze").arg("--version").output();
    if !found.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("systemd 252")) {
        eprintln!("SKIPPED as_systemd_tests_them: systemd-analyze of systemd 252 is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dots = folder.path().join("dots");
    fs::create_dir_all(folder.path().join("nothing")).unwrap();
    fs::create_dir_all(&dots).unwrap();
    fs::write(dots.join(".x"), "").unwrap();
    let base = folder.path().display();
    let cases = format!(
        "PathExists=/etc/passwd|PathExists=!/etc/passwd|PathExists=/gone|PathExistsGlob=/etc/pass*|PathExistsGlob=/etc/nothing*\
        |PathIsDirectory=/etc|PathIsDirectory=/etc/passwd|PathIsSymbolicLink=/etc/mtab|PathIsMountPoint=/|PathIsMountPoint=/proc\
        |PathIsMountPoint=/etc|PathIsMountPoint=/dev/shm|PathIsReadWrite=/|PathIsReadWrite=/sys|PathIsReadWrite=/gone|PathIsEncrypted=/\
        |DirectoryNotEmpty=/etc|DirectoryNotEmpty={base}/nothing|DirectoryNotEmpty={base}/dots|DirectoryNotEmpty=/etc/passwd\
        |FileNotEmpty=/etc/passwd|FileNotEmpty=/etc|FileIsExecutable=/bin/sh|FileIsExecutable=/etc/passwd|FileIsExecutable=/etc\
        |NeedsUpdate=/etc|NeedsUpdate=/var|FirstBoot=yes|FirstBoot=no|Architecture=native|Architecture=x86-64|Architecture=arm64\
        |Architecture=nonsense|Architecture=!nonsense|Firmware=uefi|Firmware=device-tree|Virtualization=yes|Virtualization=vm\
        |Virtualization=container|Virtualization=docker|Virtualization=kvm|Virtualization=private-users|Virtualization=!nonsense\
        |Host=*|Host=nonsense|KernelCommandLine=quiet|KernelCommandLine=nonsense|KernelCommandLine=root|KernelVersion=>=2\
        |KernelVersion=>= 4.0|KernelVersion=<4|KernelVersion=*|KernelVersion=>=|KernelVersion=>4 <5|Credential=x|Security=selinux\
        |Security=apparmor|Security=tomoyo|Security=ima|Security=smack|Security=audit|Security=tpm2|Security=uefi-secureboot\
        |Security=nonsense|Capability=CAP_CHOWN|Capability=CAP_SYS_RESOURCE|Capability=CAP_NONSENSE|Capability=!CAP_NONSENSE\
        |ACPower=yes|ACPower=no|Memory=1M|Memory=>1T|Memory=<1T|Memory=nonsense|CPUFeature=fpu|CPUFeature=sse4_2|CPUFeature=avx2\
        |CPUFeature=pclmul|CPUFeature=nonsense|CPUs=1|CPUs=>1000|CPUs=nonsense|Environment=PATH|Environment=NONSENSE\
        |Environment=ONE=two|User=root|User=0|User=@system|User=nobody|User=4711|Group=root|Group=0|Group=nogroup\
        |ControlGroupController=v1|ControlGroupController=v2|ControlGroupController=memory|ControlGroupController=memory cpu\
        |ControlGroupController=nonsense|OSRelease=ID=debian|OSRelease=ID!=debian|OSRelease=VERSION_ID>=1\
        |OSRelease=VERSION_ID<1|OSRelease=NONSENSE=1|OSRelease=nonsense|OSRelease=ID = debian|MemoryPressure=100%\
        |MemoryPressure=nonsense|CPUPressure=100%/10sec|CPUPressure=1%/nonsense|IOPressure=100%/1min|IOPressure=x.slice:0%"
    );
    let mut here = World::here();
    here.environment = BTreeMap::from(["PATH", "ONE"].map(|name| (name.to_owned(), "two".to_owned())));
    let mut wrong = Vec::new();
    for case in cases.split('|') {
        let mut command = Command::new("systemd-analyze");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("ONE", "two");
        let output = command.args(["condition", &format!("Condition{case}")]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let holds = check(&unit(&format!("Condition{case}")), &here) == Outcome::Holds;
        if holds != output.status.success() {
            wrong.push(format!("{case}: {holds}; systemd: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
