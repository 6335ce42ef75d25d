//! Services that are asked whether they do their work, under a supervisor that is a process of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use perigee_init::control::{HealthStatus, Request};
use perigee_units::health::Standing;
use perigee_units::machine::Verb;

use crate::groups::Init;

/// How the one who is asked answers.
const WELL: u8 = 0;
const BADLY: u8 = 1;
const NEVER: u8 = 2;

/// Somebody who answers as he is told, and where.
fn somebody() -> (Arc<AtomicU8>, String) {
    let manner = Arc::new(AtomicU8::new(WELL));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let told = manner.clone();
    std::thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let answer: &[u8] = match told.load(Ordering::SeqCst) {
                WELL => b"HTTP/1.1 200 OK\r\n\r\n",
                BADLY => b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
                _ => {
                    kept.push(stream);
                    continue;
                }
            };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    (manner, address)
}

fn health(init: &Init, unit: &str) -> HealthStatus {
    init.status(unit).health_check.unwrap()
}

fn until_it_is(init: &Init, unit: &str, standing: Standing) {
    let look = || (health(init, unit).standing == Some(standing)).then_some(());
    init.until(&format!("{unit} is {standing}"), look);
}

#[test]
fn an_unhealthy_service_fails_and_is_started_again() {
    let (manner, address) = somebody();
    let unit = format!(
        "[Service]\nExecStart=/bin/sleep 1000\nRestart=on-watchdog\nRestartSec=50ms\n\
         [X-HealthCheck]\nHTTP=http://{address}/health\nIntervalSec=100ms\nTimeoutSec=200ms\nFailures=2\n"
    );
    let never = unit.replace("Restart=on-watchdog", "Restart=on-abort");
    let units = [("asked.service", unit.as_str()), ("once.service", &never)];
    let Some(init) = Init::begin("health-http", &units) else { return };
    init.act(Verb::Start, "asked.service");
    until_it_is(&init, "asked.service", Standing::Healthy);
    let status = init.status("asked.service");
    assert_eq!(status.listed.health, Some(Standing::Healthy));
    let told = status.health_check.unwrap();
    assert_eq!((told.check, told.answer.as_str()), (format!("http://{address}/health"), "status 200"));
    let first = status.main_pid.unwrap();
    // It takes connections, and says nothing any more: that keeps nobody but the service.
    manner.store(NEVER, Ordering::SeqCst);
    init.until("it is started again", || {
        let asked = Instant::now();
        let status = init.status("asked.service");
        assert!(asked.elapsed() < Duration::from_millis(150), "the supervisor waits for the answer");
        (status.listed.restarts > 0 && status.main_pid.is_some_and(|pid| pid != first)).then_some(())
    });
    assert!(health(&init, "asked.service").lapses >= 1);
    let log = fs::read_to_string(init.folder.path().join("log")).unwrap();
    let line = "asked.service: is unhealthy: no answer within 0.2 s (2 in a row)";
    assert!(log.contains(line), "{log}");
    manner.store(WELL, Ordering::SeqCst);
    until_it_is(&init, "asked.service", Standing::Healthy);
    // Without a restart that is the end of it.
    init.act(Verb::Start, "once.service");
    until_it_is(&init, "once.service", Standing::Healthy);
    manner.store(BADLY, Ordering::SeqCst);
    let failed = || (init.status("once.service").listed.active == "failed").then_some(());
    init.until("it has failed", failed);
    let status = init.status("once.service");
    assert_eq!(status.result, "unhealthy");
    let told = status.health_check.unwrap();
    assert_eq!((told.standing, told.answer.as_str()), (None, "status 503"));
}

#[test]
fn one_that_is_only_shown_stays_and_is_healthy_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("well");
    let unit = format!(
        "[Service]\nExecStart=/bin/sleep 1000\n\
         [X-HealthCheck]\nExec=/bin/sh -c 'test -e {}'\nIntervalSec=100ms\nFailures=2\nSuccesses=2\nOnUnhealthy=show\n",
        file.display()
    );
    let Some(init) = Init::begin("health-exec", &[("shown.service", &unit)]) else { return };
    init.act(Verb::Start, "shown.service");
    until_it_is(&init, "shown.service", Standing::Unhealthy);
    let before = init.status("shown.service");
    assert_eq!((before.listed.active.as_str(), before.listed.restarts), ("active", 0));
    assert_eq!(before.health_check.unwrap().answer, "exited with 1");
    fs::write(&file, "").unwrap();
    until_it_is(&init, "shown.service", Standing::Healthy);
    let after = init.status("shown.service");
    assert_eq!(after.main_pid, before.main_pid);
    assert_eq!(after.health_check.unwrap().lapses, 1);
}

/// A command that does not end is killed with all that it has started, and only one runs at a time.
#[test]
fn commands_that_hang_do_not_pile_up() {
    let unit = "[Service]\nExecStart=/bin/sleep 1000\nKillMode=process\n\
        [X-HealthCheck]\nExec=/bin/sh -c 'sleep 2000 & sleep 2000'\nIntervalSec=100ms\nTimeoutSec=100ms\nOnUnhealthy=show\n";
    let Some(init) = Init::begin("health-hang", &[("hangs.service", unit)]) else { return };
    init.act(Verb::Start, "hangs.service");
    init.until("ten have hung", || (health(&init, "hangs.service").badly >= 10).then_some(()));
    let processes = init.status("hangs.service").processes;
    assert!(processes.len() <= 4, "{processes:?}");
    init.act(Verb::Stop, "hangs.service");
    assert_eq!(health(&init, "hangs.service").standing, None);
    init.until("nothing is left", || init.status("hangs.service").processes.is_empty().then_some(()));
}

/// What was known goes over to another copy of the program, and the service is asked by that one; a check that is taken
/// out of the unit, or put in, counts for a service that runs.
#[test]
fn another_copy_of_the_program_asks_on() {
    let (manner, address) = somebody();
    let unit = format!(
        "[Service]\nExecStart=/bin/sleep 1000\n\
         [X-HealthCheck]\nTCP={address}\nIntervalSec=100ms\nOnUnhealthy=show\n"
    );
    let Some(init) = Init::begin("health-copy", &[("asked.service", &unit)]) else { return };
    init.act(Verb::Start, "asked.service");
    init.until("it is asked", || (health(&init, "asked.service").well >= 3).then_some(()));
    let main = init.status("asked.service").main_pid;
    init.ask(&Request::DaemonReexec);
    init.until("another copy answers", || init.client());
    init.until("it is asked on", || (health(&init, "asked.service").well >= 6).then_some(()));
    assert_eq!(init.status("asked.service").main_pid, main);
    manner.store(NEVER, Ordering::SeqCst);
    let path = init.folder.path().join("asked.service");
    fs::write(&path, unit.replace("TCP=", "HTTP=http://").replace("100ms", "100ms\nTimeoutSec=50ms"))
        .unwrap();
    init.ask(&Request::DaemonReload);
    until_it_is(&init, "asked.service", Standing::Unhealthy);
    fs::write(&path, "[Service]\nExecStart=/bin/sleep 1000\n").unwrap();
    init.ask(&Request::DaemonReload);
    assert_eq!(init.status("asked.service").health_check, None);
    fs::write(&path, &unit).unwrap();
    init.ask(&Request::DaemonReload);
    until_it_is(&init, "asked.service", Standing::Healthy);
    assert_eq!(init.status("asked.service").main_pid, main);
}
