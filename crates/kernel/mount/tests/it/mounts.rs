//! Mounts with the kernel's own, in a mount name space that each test has for itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use perigee_mount::{Begun, Changes, Mount, MountTable, Swap, is_swapped, mount_early, mounted_as};
use perigee_units::unit::{Host, Source, Unit, UnitName};

/// Runs this test again in a mount name space of its own, unless it is in one. True inside.
fn inside(test: &str) -> bool {
    const MARK: &str = "PERIGEE_OWN_MOUNTS";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    if !nix::unistd::getuid().is_root() {
        eprintln!("SKIPPED {test}: only root may mount");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private"]).arg(program);
    command.args([&format!("mounts::{test}"), "--exact", "--nocapture"]).env(MARK, "1");
    match command.output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("1 passed"), "{text}");
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("SKIPPED {test}: unshare: {error}"),
    }
    false
}

fn mount(place: &Path, text: &str) -> Mount {
    let place = place.display().to_string();
    let name = format!("{}.mount", perigee_units::value::escape_path(&place));
    let text = format!("[Mount]\nWhere={place}\n{text}").into_bytes();
    let unit =
        Unit::read(UnitName::parse(&name).unwrap(), &[Source { path: name.into(), text }], &Host::default());
    let wrong: Vec<_> = unit.complaints.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    Mount::read(&unit).unwrap()
}

/// Carries out a command, if it is one.
fn run(begun: Begun) {
    if let Begun::Command(command) = begun {
        let output = Command::new(&command[0]).args(&command[1..]).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What has changed, if anything has within a second.
fn changes(table: &mut MountTable) -> Changes {
    let mut fds = [PollFd::new(table.fd().unwrap(), PollFlags::POLLPRI)];
    assert_eq!(poll(&mut fds, PollTimeout::from(1000_u16)).unwrap(), 1, "the kernel tells of a change");
    table.ready().unwrap()
}

#[test]
fn a_file_system_of_the_kernel() {
    if !inside("a_file_system_of_the_kernel") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mut table = MountTable::new().unwrap();
    let place = root.path().join("deep/er");
    let unit = mount(
        &place,
        "What=tmpfs\nType=tmpfs\nOptions=size=1M,mode=0711,nosuid,noexec\nDirectoryMode=0700\n",
    );
    assert_eq!(unit.start(table.mounts()).unwrap(), Begun::Done);
    let shown = place.display().to_string();
    assert_eq!(changes(&mut table), Changes { came: vec![shown.clone()], went: vec![] });
    let mounted = &table.mounts()[&shown];
    assert!(
        mounted.options.contains("noexec") && mounted.options.contains("size=1024k"),
        "{}",
        mounted.options
    );
    assert_eq!(fs::metadata(&place).unwrap().mode() & 0o7777, 0o711);
    assert_eq!(fs::metadata(root.path().join("deep")).unwrap().mode() & 0o7777, 0o700);
    // What is mounted by anybody is a unit, without a file.
    let name = mounted.name().unwrap();
    let found = mounted_as(&name).unwrap();
    let seen = Mount::read(&Unit::read(name, &[found.source()], &Host::default())).unwrap();
    assert!(seen.place == shown && seen.is_found() && !unit.is_found());
    // What is there is not mounted once more.
    assert_eq!(unit.start(table.mounts()).unwrap(), Begun::Done);
    assert_eq!(table.ready().unwrap(), Changes::default());
    let larger = mount(&place, "What=tmpfs\nType=tmpfs\nOptions=size=2M\n");
    assert_eq!(larger.reload().unwrap(), Begun::Done);
    table.ready().unwrap();
    assert!(table.mounts()[&shown].options.contains("size=2048k"));
    // In use it cannot go, but lazily it can.
    let held = fs::File::create(place.join("held")).unwrap();
    let error = unit.stop(table.mounts()).unwrap_err();
    assert!(error.to_string().contains("unmount it: "), "{error}");
    let lazy = mount(&place, "What=tmpfs\nType=tmpfs\nLazyUnmount=yes\n");
    assert_eq!(lazy.stop(table.mounts()).unwrap(), Begun::Done);
    assert_eq!(changes(&mut table), Changes { came: vec![], went: vec![shown] });
    assert_eq!(unit.stop(table.mounts()).unwrap(), Begun::Done, "nothing is there any more");
    drop(held);
}

#[test]
fn a_folder_bound_to_another_place() {
    if !inside("a_folder_bound_to_another_place") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("from"), root.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::write(from.join("file"), "here").unwrap();
    let mut table = MountTable::new().unwrap();
    let text = format!("What={}\nOptions=bind,ro,nosuid,shared\n", from.display());
    let unit = mount(&to, &text);
    assert_eq!(unit.start(table.mounts()).unwrap(), Begun::Done);
    table.ready().unwrap();
    assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "here");
    assert!(fs::write(to.join("file"), "").is_err(), "it is read only");
    assert!(fs::write(from.join("file"), "there").is_ok(), "and the other is not");
    assert!(table.mounts()[&to.display().to_string()].options.starts_with("ro,nosuid"));
    unit.stop(table.mounts()).unwrap();
    table.ready().unwrap();
    assert!(!to.join("file").exists());
}

#[test]
fn a_helper_for_what_has_a_device() {
    if !inside("a_helper_for_what_has_a_device") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("disk");
    let unit =
        mount(&place, "What=/dev/nowhere\nType=ext4\nOptions=noatime,errors=remount-ro\nSloppyOptions=yes\n");
    let mut table = MountTable::new().unwrap();
    let Begun::Command(command) = unit.start(table.mounts()).unwrap() else {
        eprintln!("SKIPPED a_helper_for_what_has_a_device: there is no mount(8)");
        return;
    };
    let shown = place.display().to_string();
    assert_eq!(
        command[1..],
        ["/dev/nowhere", &shown, "-s", "-t", "ext4", "-o", "noatime,errors=remount-ro"].map(str::to_owned)
    );
    assert!(!Command::new(&command[0]).args(&command[1..]).output().unwrap().status.success());
    // Folders made on the way, by a helper that really mounts.
    let made = mount(&place, "What=tmpfs\nType=tmpfs\nOptions=X-mount.mkdir,size=1M\n");
    let begun = made.start(table.mounts()).unwrap();
    assert!(matches!(begun, Begun::Command(_)));
    run(begun);
    assert_eq!(changes(&mut table).came, std::slice::from_ref(&shown));
    let begun = made.stop(table.mounts()).unwrap();
    assert!(matches!(&begun, Begun::Command(command) if command[0].ends_with("/umount")));
    run(begun);
    assert_eq!(changes(&mut table).went, [shown]);
    let nfs = mount(&place, "What=host:/x\nType=nfs4\n");
    assert!(nfs.is_network() && !unit.is_network());
}

#[test]
fn early_mounts_below_an_empty_root() {
    if !inside("early_mounts_below_an_empty_root") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let done = mount_early(root.path());
    for place in ["proc", "sys", "run", "dev/shm"] {
        assert!(done.mounted.contains(&place), "{done:?}");
    }
    assert!(root.path().join("proc/self/status").exists() || root.path().join("proc/1").exists());
    assert_eq!(fs::metadata(root.path().join("dev/shm")).unwrap().mode() & 0o7777, 0o1777);
    if done.mounted.contains(&"dev") {
        assert!(root.path().join("dev/null").exists());
    }
    assert_eq!(fs::read_link(root.path().join("dev/fd")).unwrap(), Path::new("/proc/self/fd"));
    let again = mount_early(root.path());
    assert_eq!(again.mounted, Vec::<&str>::new(), "what is there is left alone");
    let mut table = MountTable::new().unwrap();
    for place in done.mounted.iter().rev() {
        let place = root.path().join(place);
        nix::mount::umount2(&place, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
    assert!(table.ready().unwrap().went.len() >= done.mounted.len());
}

#[test]
fn early_mounts_on_a_machine_that_runs() {
    if !inside("early_mounts_on_a_machine_that_runs") {
        return;
    }
    let mut table = MountTable::new().unwrap();
    for place in ["/", "/usr", "/proc", "/dev/shm"] {
        let stays = mount(Path::new(place), "What=x\nType=tmpfs\n");
        assert_eq!(stays.stop(table.mounts()).unwrap(), Begun::Done, "{place} stays");
    }
    let before: Vec<_> = table.mounts().keys().cloned().collect();
    mount_early(Path::new("/"));
    let changes = table.ready().unwrap();
    assert!(before.iter().all(|place| table.mounts().contains_key(place)) && changes.went.is_empty());
    assert!(
        !changes.came.iter().any(|place| ["/proc", "/sys", "/dev"].contains(&place.as_str())),
        "{changes:?}"
    );
}

#[test]
fn swap_space() {
    let text = b"[Swap]\nWhat=/no/such/swapfile\nPriority=5\nOptions=discard,nofail,x-thing\n".to_vec();
    let name = UnitName::parse("no-such-swapfile.swap").unwrap();
    let unit = Unit::read(name, &[Source { path: "x".into(), text }], &Host::default());
    let swap = Swap::read(&unit).unwrap();
    assert!(!is_swapped(&swap.what));
    match swap.start() {
        Ok(Begun::Command(command)) => {
            assert_eq!(command[1..], ["-p", "5", "-o", "discard", "/no/such/swapfile"].map(str::to_owned));
            let status = Command::new(&command[0]).args(&command[1..]).output().unwrap().status;
            assert!(!status.success(), "there is no such file");
        }
        Ok(Begun::Done) => panic!("it cannot be on"),
        Err(error) => assert!(error.to_string().contains("there is no swapon"), "{error}"),
    }
    assert_eq!(swap.stop().unwrap(), Begun::Done);
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let on: Vec<_> = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(on.iter().all(|what| is_swapped(what)), "{on:?}");
}

/// Whatever stands in fstab, what is made of it are units without a fault, each for the place of its name.
#[test]
fn any_line_of_fstab_is_a_good_unit_or_a_note() {
    let pieces = [
        "/",
        "a",
        "b-c",
        "\\040",
        "\\012",
        "\\134",
        "%",
        "%%",
        "%n",
        "\"",
        "'",
        "=",
        ",",
        "..",
        ".",
        "x-systemd.",
        "requires=",
        "nofail",
        "noauto",
        "swap",
        "none",
        "tmpfs",
        "UUID=",
        "LABEL=",
        "#",
        "\u{e4}",
        "$",
        ";",
        "[",
        "]",
        "bind",
    ];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut made, mut noted) = (0, 0);
    for round in 0..5_000 {
        let mut field = |first: &str| {
            let mut text = first.to_owned();
            (0..random(6)).for_each(|_| text.push_str(pieces[random(pieces.len())]));
            text
        };
        let line = format!("{} {} {} {}", field("/dev/"), field("/"), field(""), field("rw,"));
        let (units, notes) = perigee_mount::read_fstab(&line);
        noted += notes.len();
        for generated in units {
            made += 1;
            let name =
                UnitName::parse(&generated.name).unwrap_or_else(|error| panic!("{round}: {line:?}: {error}"));
            let source = Source { path: "x".into(), text: generated.text.clone().into_bytes() };
            let unit = Unit::read(name, &[source], &Host::default());
            let wrong =
                unit.complaints.iter().find(|said| said.level() >= perigee_units::unit::Level::Ignored);
            assert!(wrong.is_none(), "{round}: {line:?}: {}\n{}", wrong.unwrap(), generated.text);
        }
    }
    assert!(made > 1_000 && noted > 25, "{made} units, {noted} notes");
}

#[test]
fn at_the_end_what_lasts_is_unmounted_or_read_only() {
    if !inside("at_the_end_what_lasts_is_unmounted_or_read_only") {
        return;
    }
    // A small file system in a file, since what lives in memory is left alone.
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    for name in ["a", "busy"] {
        fs::create_dir(at(name)).unwrap();
        fs::File::create(at(&format!("{name}.img"))).unwrap().set_len(4 << 20).unwrap();
        let image = at(&format!("{name}.img"));
        let made =
            run("mkfs.ext4", &["-q", "-F", &image]) && run("mount", &["-o", "loop", &image, &at(name)]);
        if !made {
            eprintln!("SKIPPED at_the_end_what_lasts_is_unmounted_or_read_only: no loop devices here");
            return;
        }
    }
    fs::create_dir(at("a/memory")).unwrap();
    fs::create_dir(at("a/below")).unwrap();
    assert!(run("mount", &["--bind", &at("busy"), &at("a/below")]));
    let held = fs::File::create(at("busy/held")).unwrap();
    drop(held);
    let held = fs::File::open(at("busy/held")).unwrap();
    assert_eq!(perigee_mount::unmount_all(root.path()), Vec::<String>::new());
    let table = MountTable::new().unwrap();
    let left: Vec<_> = table.mounts().keys().filter(|place| place.starts_with(&at(""))).collect();
    assert_eq!(left, [&at("busy")]);
    assert!(fs::write(at("busy/held"), "x").is_err(), "it is read only");
    drop(held);
}
