//! The virtual machine itself: its two ports, its disk, its watchdog, and how it ends, with busybox as the first
//! process. Whatever is tested in it can rely on these.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use perigee_testkit::{End, Guest};

const LIMIT: Duration = Duration::from_secs(60);

const INIT: &str = "#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
echo hello from $$ >/dev/ttyS1
mount /dev/vda /mnt
ls /mnt/usr/sbin/nginx >/dev/ttyS1
echo 'what now?'
read -r word
case $word in
off) poweroff -f ;;
# The watchdog is told to wait three seconds, and is never fed again.
hang) watchdog -T 3 -t 60 -F /dev/watchdog ;;
esac
";

fn boot() -> Option<perigee_testkit::Machine> {
    let machine = Guest::new()?.file("/init", INIT).debian().boot();
    assert_eq!(machine.wait_for_report("hello", LIMIT), "hello from 1");
    machine.wait_for_report("/mnt/usr/sbin/nginx", LIMIT);
    machine.wait_for_console("what now?", LIMIT);
    Some(machine)
}

#[test]
fn a_machine_reports_listens_and_switches_itself_off() {
    let Some(mut machine) = boot() else { return };
    machine.type_in("off\n");
    assert_eq!(machine.wait_for_end(LIMIT), End::PoweredOff, "{machine}");
}

#[test]
fn a_watchdog_resets_the_machine() {
    let Some(mut machine) = boot() else { return };
    machine.type_in("hang\n");
    assert_eq!(machine.wait_for_end(LIMIT), End::Reset, "{machine}");
    assert!(!machine.console().contains("Kernel panic"), "{machine}");
}
