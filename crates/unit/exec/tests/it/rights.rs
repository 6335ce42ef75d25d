//! Users, groups and capabilities.

use perigee_exec::Attach;

use super::{check, context, is_root, refused, run, run_as, shell, status};
use perigee_units::unit::Privileges;

#[test]
fn users_and_groups() {
    if !is_root("users_and_groups") {
        return;
    }
    check(
        "User=nobody",
        "id -un; id -G; echo $USER $LOGNAME $HOME $SHELL",
        "nobody\n65534\nnobody nobody /nonexistent /usr/sbin/nologin",
    );
    check(
        "User=nobody\nGroup=daemon\nSupplementaryGroups=mail 4711",
        "id -u; id -g; id -G",
        "65534\n1\n1 8 4711",
    );
    check("User=4712", "id -u; id -g", "4712\n4712");
    check("Group=daemon", "id -u; id -g", "0\n1");
    check("User=root", "id -u; echo $HOME", "0\n/root");
    check("User=daemon\nWorkingDirectory=~", "pwd", "/usr/sbin");
    let error = refused("User=nobody-is-called-so", 217);
    assert!(error.contains("no user `nobody-is-called-so` in /etc/passwd"), "{error}");
    refused("Group=nobody-is-called-so", 216);
    refused("SupplementaryGroups=nobody-is-called-so", 216);
}

#[test]
fn capabilities() {
    if !is_root("capabilities") {
        return;
    }
    check("CapabilityBoundingSet=CAP_CHOWN CAP_NET_BIND_SERVICE", &status("CapBnd"), "0000000000000401");
    check(
        "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=~CAP_CHOWN",
        &status("CapEff"),
        "0000000000000020",
    );
    check("CapabilityBoundingSet=", &status("CapEff"), "0000000000000000");
    let three = format!("id -u; {}; {}; {}", status("CapEff"), status("CapAmb"), status("CapInh"));
    check("User=nobody", &three, "65534\n0000000000000000\n0000000000000000\n0000000000000000");
    let set = "0000000000000400";
    check(
        "User=nobody\nAmbientCapabilities=CAP_NET_BIND_SERVICE",
        &three,
        &format!("65534\n{set}\n{set}\n{set}"),
    );
    // What is not in the bounding set cannot be handed out.
    let seen = run(
        "User=nobody\nAmbientCapabilities=CAP_NET_RAW\nCapabilityBoundingSet=CAP_CHOWN",
        &status("CapAmb"),
    );
    assert_eq!(seen.printed, "0000000000000000");
    assert!(seen.notes[0].contains("CAP_NET_RAW"), "{:?}", seen.notes);
    check("NoNewPrivileges=yes", &status("NoNewPrivs"), "1");
    check("SecureBits=noroot noroot-locked", &status("CapEff"), "0000000000000000");
    let before = "0000000000000400\n0000000000000400";
    check(
        "User=nobody\nSecureBits=keep-caps\nAmbientCapabilities=CAP_NET_BIND_SERVICE",
        &format!("{}; {}", status("CapEff"), status("CapAmb")),
        before,
    );
}

/// A number that nobody else has, the same at the next start, and folders that are its own and closed to others.
#[test]
fn a_user_who_passes() {
    if !is_root("a_user_who_passes") {
        return;
    }
    let name = format!("perigee-passing-{}", std::process::id());
    let lines = format!("DynamicUser=yes\nStateDirectory={name}\nRuntimeDirectory={name}");
    let first = context(&format!("{name}.service"), &lines);
    let script = "id -u; echo $USER; echo $STATE_DIRECTORY; echo x >> $STATE_DIRECTORY/file && cat $STATE_DIRECTORY/file; touch /usr/x 2>/dev/null || echo closed";
    let seen = run_as(&first, &shell(script, Privileges::Unit), &[]).unwrap();
    let lines_seen: Vec<_> = seen.printed.lines().collect();
    let uid: u32 = lines_seen[0].parse().unwrap();
    assert!((61_184..=65_519).contains(&uid), "{uid}");
    assert_eq!(lines_seen[2], format!("/var/lib/{name}"), "{seen:?}");
    assert_eq!(lines_seen[3..], ["x", "closed"], "{seen:?}");
    let private = std::fs::metadata("/var/lib/private").unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&private.permissions()) & 0o777, 0o700);
    // Another one meanwhile has another number; the same unit later has the same again.
    let other = context("perigee-passing-other.service", "DynamicUser=yes\nUser=perigee-passing-other");
    let other_uid = run_as(&other, &shell("id -u", Privileges::Unit), &[]).unwrap().printed;
    assert_ne!(other_uid, lines_seen[0]);
    other.clean();
    first.clean();
    let again = run_as(&first, &shell(script, Privileges::Unit), &[]).unwrap();
    assert_eq!(again.printed.lines().next(), Some(lines_seen[0]));
    assert_eq!(again.printed.lines().nth(4), Some("x"), "{again:?}");
    first.clean();
    assert!(!std::path::Path::new("/run").join(&name).exists());
    std::fs::remove_file(format!("/var/lib/{name}")).unwrap();
    std::fs::remove_dir_all(format!("/var/lib/private/{name}")).unwrap();
}

/// A supervisor that comes back finds the number taken, and the temporary files, by the process that has them.
#[test]
fn a_run_is_taken_over() {
    if !is_root("a_run_is_taken_over") {
        return;
    }
    let name = format!("perigee-over-{}.service", std::process::id());
    let spawned = |context: &perigee_exec::Context| {
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&null);
        let attach = Attach {
            stdin: fd,
            stdout: fd,
            stderr: fd,
            listen: &[],
            tasks: None,
            variables: &[],
            group: None,
        };
        let prepared = context.prepare().unwrap();
        prepared.begin(&shell("exec sleep 100", Privileges::Unit), &attach).unwrap().finish().unwrap()
    };
    let folders = || {
        let entries = std::fs::read_dir("/tmp").unwrap().flatten();
        let begin = format!("perigee-private-{name}-");
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin)).count()
    };
    let uid = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().find(|line| line.starts_with("Uid:")).unwrap().to_owned()
    };
    let first = context(&name, "DynamicUser=yes");
    let child = spawned(&first);
    // The first one is gone, with all that it knew.
    drop(first);
    let second = context(&name, "DynamicUser=yes");
    second.resume(child.pid, &[]);
    assert_eq!(folders(), 1);
    // Another one of the same name would have the same number, were it free.
    let other = context(&name, "DynamicUser=yes\nPrivateTmp=no");
    let another = spawned(&other);
    assert_ne!(uid(child.pid), uid(another.pid));
    for child in [&child, &another] {
        perigee_process::pidfd::signal(std::os::fd::AsFd::as_fd(&child.pidfd), 9).unwrap();
        perigee_process::wait::wait_for(std::os::fd::AsFd::as_fd(&child.pidfd)).unwrap();
    }
    other.clean();
    second.clean();
    assert_eq!(folders(), 0);
}
