//! Services of every type, led through their lives by a script: what is told on the left, what is done on the right.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::machine::{Event, Outcome};
use crate::notify::Message;
use crate::unit::{Host, Source, Unit, UnitName};
use crate::value::Signal;

const NOW: Duration = Duration::from_secs(1);

/// A service with these lines, and its life; every command gets the next number as its process.
struct Script {
    life: Life,
    next: u32,
    empty: bool,
    /// What comes of opening the sockets of a socket unit.
    opened: Outcome,
}

impl Script {
    fn new(lines: &str) -> Script {
        Script::of("a.service", &format!("[Service]\n{lines}"))
    }

    fn of(name: &str, text: &str) -> Script {
        let unit = UnitName::parse(name).expect("a name");
        let text = text.as_bytes().to_vec();
        let unit = Unit::read(unit, &[Source { path: name.into(), text }], &Host::default());
        let minute = Some(Duration::from_secs(60));
        let service = Service::read(&unit, None, minute);
        let life = Life::new(Arc::new(service));
        Script { life, next: 100, empty: true, opened: Outcome::Success }
    }

    /// Does what is to be done, and tells it in words; time-outs are left out.
    fn told(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(action) = self.life.action() {
            words.push(match action {
                Action::Spawn(role, exec, place) => {
                    let pid = self.next;
                    self.next += 1;
                    self.life.spawned(role, pid, NOW);
                    format!("{pid}={}[{place}]", exec.directive())
                }
                Action::Signal(Role::Main, signal) => format!("{signal}->main"),
                Action::Signal(Role::Control, signal) => format!("{signal}->control"),
                Action::SignalRest(signal) => format!("{signal}->rest"),
                Action::FindMain => "find-main".to_owned(),
                Action::Open => {
                    self.life.opened(self.opened, NOW);
                    "open".to_owned()
                }
                Action::Close => "close".to_owned(),
                Action::AwaitEmpty => {
                    if self.empty {
                        self.life.empty(NOW);
                    } else {
                        self.life.not_empty(NOW);
                    }
                    continue;
                }
                Action::Report(Event::Extend(_)) => continue,
                Action::Report(event) => format!("{event:?}!"),
                Action::Phase(phase) => phase.to_string(),
                Action::Watchdog(_) => "watchdog".to_owned(),
            });
        }
        words.join(" ")
    }

    fn start(&mut self) -> String {
        self.life.start(NOW);
        self.told()
    }

    fn exit(&mut self, pid: u32, code: u8) -> String {
        self.life.ended(pid, Ended::Exit(code), NOW);
        self.told()
    }

    fn signalled(&mut self, pid: u32, signal: Signal) -> String {
        self.life.ended(pid, Ended::Signal(signal), NOW);
        self.told()
    }

    fn stop(&mut self) -> String {
        self.life.stop(false, NOW);
        self.told()
    }

    fn kill(&mut self) -> String {
        self.life.kill(NOW);
        self.told()
    }

    fn says(&mut self, text: &str) -> String {
        self.life.notified(&Message::parse(text.as_bytes()), NOW);
        self.told()
    }
}

/// The way down of a service of which nothing is left; the order of phases and signals is that of their making.
fn down(outcome: &str) -> String {
    format!("stop-sigterm SIGTERM->rest SIGCONT->rest final-sigterm SIGTERM->rest dead Ended({outcome})!")
}

#[test]
fn a_simple_service() {
    let mut script = Script::new("ExecStart=/bin/a\nExecStop=/bin/b\nExecStopPost=/bin/c\n");
    assert_eq!(script.start(), "start 100=ExecStart[0] running Ready!");
    assert_eq!(script.stop(), "stop Ending! 101=ExecStop[0]");
    assert_eq!(
        script.exit(101, 0),
        "stop-sigterm SIGTERM->main SIGTERM->rest SIGCONT->main SIGCONT->rest Ending!"
    );
    assert_eq!(script.signalled(100, Signal::TERM), "stop-post Ending! 102=ExecStopPost[0]");
    assert_eq!(script.exit(102, 0), "final-sigterm SIGTERM->rest dead Ended(Success)!");
}

#[test]
fn a_service_that_ends_by_itself() {
    let mut script = Script::new("ExecStart=/bin/a\n");
    script.start();
    assert_eq!(script.exit(100, 0), down("Success"));
    script.next = 100;
    script.start();
    assert_eq!(script.exit(100, 3), down("ExitCode(3)"));
    script.next = 100;
    script.start();
    assert_eq!(script.signalled(100, Signal::HUP), down("Success"));
    let mut script = Script::new("ExecStart=-/bin/a\nSuccessExitStatus=SIGKILL\n");
    script.start();
    assert_eq!(script.exit(100, 3), down("Success"));
}

#[test]
fn a_program_that_is_not_there() {
    for (kind, expected) in [("simple", "running Ready! "), ("exec", "")] {
        let mut script = Script::new(&format!("Type={kind}\nExecStart=/bin/a\n"));
        script.life.start(NOW);
        while script.life.action().is_some() {}
        script.life.not_spawned(Role::Main, 203, NOW);
        let told = script.told();
        if kind == "simple" {
            assert_eq!(told, format!("{expected}{}", down("ExitCode(203)")));
        } else {
            assert_eq!(told, down("ExitCode(203)"));
        }
    }
}

#[test]
fn oneshots() {
    let lines =
        "Type=oneshot\nExecStartPre=/bin/p\nExecStart=/bin/a\nExecStart=-/bin/b\nExecStartPost=/bin/q\n";
    let mut script = Script::new(lines);
    assert_eq!(script.start(), "start-pre 100=ExecStartPre[0]");
    assert_eq!(script.exit(100, 0), "start 101=ExecStart[0]");
    assert_eq!(script.exit(101, 0), "102=ExecStart[1]");
    assert_eq!(script.exit(102, 9), "start-post 103=ExecStartPost[0]");
    assert_eq!(script.exit(103, 0), format!("running {}", down("Success")));
    let mut script = Script::new("Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/a\nExecStop=/bin/b\n");
    script.start();
    assert_eq!(script.exit(100, 0), "running Ready! exited");
    assert_eq!(script.stop(), "stop Ending! 101=ExecStop[0]");
    assert_eq!(script.exit(101, 0), down("Success"));
    let mut script = Script::new("RemainAfterExit=yes\nExecStop=/bin/b\n");
    assert_eq!(script.start(), "running Ready! exited");
}

#[test]
fn conditions() {
    let mut script = Script::new("ExecCondition=/bin/c\nExecStart=/bin/a\n");
    assert_eq!(script.start(), "condition 100=ExecCondition[0]");
    assert_eq!(script.exit(100, 1), "final-sigterm SIGTERM->rest dead Ended(Skipped)!");
    script.next = 100;
    script.start();
    assert_eq!(script.exit(100, 255), down("ExitCode(255)"));
}

#[test]
fn forking() {
    let mut script = Script::new("Type=forking\nPIDFile=/run/a.pid\nExecStart=/bin/a\n");
    assert_eq!(script.start(), "start 100=ExecStart[0]");
    assert_eq!((script.life.main(), script.life.control()), (None, Some(100)));
    assert_eq!(script.exit(100, 0), "find-main");
    script.life.found_main(Some(777), NOW);
    assert_eq!(script.told(), "running Ready!");
    assert_eq!(script.exit(777, 0), down("Success"));
    script.next = 100;
    script.start();
    script.exit(100, 0);
    script.life.found_main(None, NOW);
    assert_eq!(script.told(), down("Protocol"));
}

#[test]
fn a_service_that_says_when() {
    let mut script = Script::new("Type=notify\nWatchdogSec=10\nExecStart=/bin/a\nExecReload=/bin/r\n");
    assert_eq!(script.start(), "start 100=ExecStart[0]");
    assert_eq!(script.says("STATUS=soon"), "");
    assert_eq!(script.says("READY=1"), "running Ready!");
    assert_eq!(script.life.status(), "soon");
    assert_eq!(script.life.timeout(), Some(NOW + Duration::from_secs(10)));
    script.life.reload(NOW);
    assert_eq!(script.told(), "reload 101=ExecReload[0]");
    assert_eq!(script.exit(101, 1), "running Reloaded(false)!");
    script.life.tick(NOW + Duration::from_secs(10));
    assert_eq!(script.told(), "stop-watchdog SIGABRT->main SIGABRT->rest Ending!");
    assert_eq!(script.signalled(100, Signal::ABRT), "final-sigterm SIGTERM->rest dead Ended(Watchdog)!");
}

#[test]
fn a_service_that_says_that_it_goes_down_is_not_signalled() {
    let mut script = Script::new("Type=notify\nExecStart=/bin/a\nExecStop=/bin/s\n");
    script.start();
    script.says("READY=1");
    assert_eq!(script.says("STOPPING=1"), "stop-sigterm Ending!");
    let ended = script.exit(100, 0);
    assert_eq!(ended, "final-sigterm SIGTERM->rest dead Ended(Success)!");
}

#[test]
fn a_service_that_never_says_so() {
    let mut script = Script::new("Type=notify\nExecStart=/bin/a\n");
    script.start();
    assert_eq!(script.exit(100, 0), down("Protocol"));
}

#[test]
fn reloading_by_a_signal() {
    let mut script = Script::new("Type=notify-reload\nExecStart=/bin/a\n");
    script.start();
    script.says("READY=1");
    script.life.reload(NOW);
    assert_eq!(script.told(), "reload SIGHUP->main");
    assert_eq!(script.says("RELOADING=1\nMONOTONIC_USEC=5"), "");
    assert_eq!(script.says("READY=1"), "running Reloaded(true)!");
    assert_eq!(script.says("RELOADING=1"), "reload Reloading!");
}

#[test]
fn a_service_that_does_not_want_to_end() {
    let mut script = Script::new("ExecStart=/bin/a\nExecStop=/bin/b\n");
    script.empty = false;
    script.start();
    script.stop();
    assert!(script.kill().starts_with("stop-sigterm SIGTERM->main SIGTERM->control SIGTERM->rest"));
    assert_eq!(script.kill(), "stop-sigkill SIGKILL->main SIGKILL->control SIGKILL->rest Ending!");
    assert_eq!(script.signalled(101, Signal::KILL), "");
    assert_eq!(script.signalled(100, Signal::KILL), "final-sigterm SIGTERM->rest Ending!");
    assert_eq!(script.kill(), "final-sigkill SIGKILL->rest Ending!");
    script.life.empty(NOW);
    assert_eq!(script.told(), "dead Ended(Timeout)!");
}

#[test]
fn modes_of_killing() {
    for (mode, stop) in [
        ("mixed", "stop-sigterm SIGTERM->main SIGCONT->main Ending!"),
        ("process", "stop-sigterm SIGTERM->main SIGCONT->main Ending!"),
        ("none", "dead Ended(Success)!"),
    ] {
        let mut script = Script::new(&format!("ExecStart=/bin/a\nKillMode={mode}\n"));
        script.start();
        assert_eq!(script.stop(), stop, "{mode}");
    }
    let mut script = Script::new("ExecStart=/bin/a\nKillMode=mixed\n");
    script.start();
    script.stop();
    assert_eq!(script.exit(100, 0), "final-sigterm SIGKILL->rest dead Ended(Success)!");
}

#[test]
fn want_of_memory() {
    let mut script = Script::new("ExecStart=/bin/a\n");
    script.start();
    script.life.out_of_memory(NOW);
    assert!(script.told().starts_with("stop-sigterm SIGTERM->main"));
    assert_eq!(script.life.result(), Outcome::OomKill);
}

#[test]
fn who_is_unhealthy_is_stopped_and_has_failed() {
    let mut script = Script::new("ExecStart=/bin/a\nExecStop=/bin/b\nExecReload=/bin/r\n");
    script.start();
    script.life.unhealthy(NOW);
    assert_eq!(script.told(), "stop Ending! 101=ExecStop[0]");
    script.exit(101, 0);
    assert!(script.signalled(100, Signal::TERM).ends_with("dead Ended(Unhealthy)!"));
    // What is not there cannot be so.
    script.life.unhealthy(NOW);
    assert_eq!(script.told(), "");
    script.start();
    script.life.reload(NOW);
    script.told();
    script.life.unhealthy(NOW);
    assert!(script.told().starts_with("SIGKILL->control stop Ending!"));
}

/// The commands of a socket unit, as systemd.socket(5) has them.
#[test]
fn the_commands_of_a_socket() {
    let text = "[Socket]\nListenStream=/run/a\nExecStartPre=/bin/p\nExecStartPost=/bin/q\n\
        ExecStopPre=/bin/s\nExecStopPre=-/bin/u\nExecStopPost=/bin/t\n";
    let script = || Script::of("a.socket", text);
    let down = |outcome: &str| format!("final-sigterm SIGTERM->rest dead Ended({outcome})!");
    let mut good = script();
    assert_eq!(good.start(), "start-pre 100=ExecStartPre[0]");
    assert_eq!(good.exit(100, 0), "start open start-post 101=ExecStartPost[0]");
    assert_eq!(good.exit(101, 0), "running Ready!");
    // Nobody is left in its group, and it goes on.
    good.life.empty(NOW);
    assert_eq!(good.told(), "");
    assert_eq!(good.stop(), "stop Ending! 102=ExecStop[0]");
    assert_eq!(good.exit(102, 0), "103=ExecStop[1]");
    assert_eq!(good.exit(103, 7), "close stop-post Ending! 104=ExecStopPost[0]");
    assert_eq!(good.exit(104, 0), down("Success"));
    // Before anything was opened nothing is to be undone.
    let mut bad = script();
    bad.start();
    assert_eq!(bad.exit(100, 3), down("ExitCode(3)"));
    // What was opened is given up in order.
    let mut bad = script();
    bad.start();
    bad.exit(100, 0);
    assert_eq!(bad.exit(101, 3), "stop Ending! 102=ExecStop[0]");
    bad.exit(102, 0);
    assert_eq!(bad.exit(103, 0), "close stop-post Ending! 104=ExecStopPost[0]");
    assert_eq!(bad.exit(104, 0), down("ExitCode(3)"));
    let mut taken = Script { opened: Outcome::Resources, ..script() };
    taken.start();
    assert_eq!(taken.exit(100, 0), "start open close stop-post Ending! 101=ExecStopPost[0]");
    assert_eq!(taken.exit(101, 0), down("Resources"));
    // A command that does not end is asked to, then killed; the others have their turn.
    let mut slow = script();
    slow.start();
    slow.exit(100, 0);
    slow.exit(101, 0);
    slow.stop();
    slow.empty = false;
    assert!(slow.kill().starts_with("stop-sigterm SIGTERM->control SIGTERM->rest"));
    assert!(slow.kill().starts_with("stop-sigkill SIGKILL->control SIGKILL->rest"));
    assert_eq!(slow.signalled(102, Signal::KILL), "close stop-post Ending! 103=ExecStopPost[0]");
    slow.empty = true;
    assert_eq!(slow.exit(103, 0), down("Timeout"));
    // Something else has gone wrong.
    let mut broken = script();
    broken.start();
    broken.exit(100, 0);
    broken.exit(101, 0);
    broken.life.broken(Outcome::TriggerLimit, NOW);
    assert_eq!(broken.told(), "stop Ending! 102=ExecStop[0]");
    broken.exit(102, 0);
    broken.exit(103, 0);
    assert_eq!(broken.exit(104, 0), down("TriggerLimit"));
}

/// Random events at random times: it always comes to its end, and tells of it once.
#[test]
fn whatever_happens_it_ends() {
    let types = ["simple", "exec", "forking", "oneshot", "notify", "notify-reload", "dbus\nBusName=a.b"];
    let extras = [
        "",
        "ExecStop=/bin/s\n",
        "ExecStopPost=/bin/t\n",
        "RemainAfterExit=yes\n",
        "KillMode=mixed\n",
        "KillMode=process\n",
        "ExecCondition=/bin/c\nExecStartPre=/bin/p\nExecStartPost=/bin/q\n",
        "WatchdogSec=5\nRuntimeMaxSec=20\n",
    ];
    let mut seed = 1_u64;
    let mut random = |most: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % most
    };
    for round in 0..4000 {
        let kind = types[random(types.len() as u64) as usize];
        let extra = extras[random(extras.len() as u64) as usize];
        let mut script = Script::new(&format!("Type={kind}\nExecStart=/bin/a\nExecReload=/bin/r\n{extra}"));
        let mut log = vec![script.start()];
        for _ in 0..random(30) {
            script.empty = random(2) == 0;
            let line = match random(11) {
                0 => script.stop(),
                10 => {
                    script.life.unhealthy(NOW);
                    script.told()
                }
                1 if log.iter().any(|line| line.contains("Ending")) => script.kill(),
                2 => script.says("READY=1"),
                3 => {
                    script.life.found_main((random(2) == 0).then_some(7), NOW);
                    script.told()
                }
                4 if script.life.phase() == Phase::Running => {
                    script.life.reload(NOW);
                    script.told()
                }
                5 => {
                    script.life.tick(NOW + Duration::from_secs(random(40)));
                    script.told()
                }
                6 => {
                    script.life.bus_name(random(2) == 0, NOW);
                    script.told()
                }
                7 => script.says(
                    ["RELOADING=1", "STOPPING=1", "WATCHDOG=trigger", "WATCHDOG=1"][random(4) as usize],
                ),
                _ => {
                    let pid = [script.life.main(), script.life.control()][random(2) as usize].unwrap_or(1);
                    script.exit(pid, random(2) as u8)
                }
            };
            log.push(line);
        }
        // However it stands, stopping and killing bring it to its end.
        script.empty = true;
        log.push(script.stop());
        for _ in 0..8 {
            for pid in [script.life.main(), script.life.control()].into_iter().flatten() {
                log.push(script.signalled(pid, Signal::KILL));
            }
            script.life.empty(NOW);
            log.push(script.told());
            log.push(script.kill());
        }
        assert_eq!(script.life.phase(), Phase::Dead, "{round} {kind} {extra}\n{}", log.join("\n"));
        let ends = log.iter().map(|line| line.matches("Ended(").count()).sum::<usize>();
        assert_eq!(ends, 1, "{round} {kind} {extra}\n{}", log.join("\n"));
    }
}
