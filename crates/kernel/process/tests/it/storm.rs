//! Many processes from many threads which allocate wildly meanwhile: nobody hangs, nothing is lost.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use perigee_process::wait::{self, Exit};
use perigee_process::{Launch, Step};

use crate::text;

/// In all; the soak has more.
fn processes() -> usize {
    std::env::var("PERIGEE_PROCESSES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

#[test]
fn ten_thousand_from_four_threads() {
    let each = processes() / 4;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2usize {
            let over = &over;
            scope.spawn(move || {
                let mut kept: Vec<Vec<u8>> = vec![Vec::new(); 64];
                let mut random = seed;
                while !over.load(Ordering::Relaxed) {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                    kept[random >> 20 & 63] = vec![seed as u8; random >> 30 & 0xFFFF];
                }
            });
        }
        let spawners: Vec<_> = (0..4i32)
            .map(|thread| {
                scope.spawn(move || {
                    let mut launch = Launch::new(text("/bin/true"), vec![text("true")]);
                    launch
                        .step(Step::Session)
                        .step(Step::Umask(0o22))
                        .step(Step::Signals { ignore_pipe: true });
                    launch.pid_variable(text("LISTEN_PID"));
                    for index in 0..each {
                        let child =
                            launch.spawn().unwrap_or_else(|error| panic!("{thread} {index}: {error}"));
                        assert_eq!(wait::wait_for(child.pidfd.as_fd()), Ok(Exit::Code(0)));
                    }
                })
            })
            .collect();
        spawners.into_iter().for_each(|spawner| spawner.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
}
