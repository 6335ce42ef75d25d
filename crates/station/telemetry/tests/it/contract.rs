//! The contract that every part passes.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use perigee_part::Services;
use perigee_telemetry::{Config, TimeConfig, build};
use perigee_testkit::{Contract, refuses_unknown_keys};

use crate::satellite::{housekeeping, usual};
use crate::station::{config, second, send, services};

#[test]
fn it_keeps_the_contract() {
    refuses_unknown_keys::<Config>(
        "lenient = true\ntime = { kind = 'cuc', coarse = 4, fine = 2 }\n[archive]\nframes = false",
    );
    let handle = Mutex::new(None);
    let state = Mutex::new(PathBuf::new());
    let build = |services: &Services| {
        let (part, built) = build(config(), &usual(), services)?;
        *handle.lock().unwrap() = Some(built);
        services.state.clone_into(&mut state.lock().unwrap());
        Ok(part)
    };
    // The archive's directory is gone for a while.
    let loss = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let here = state.lock().unwrap().clone();
        Box::pin(async move {
            let elsewhere = here.with_extension("elsewhere");
            std::fs::rename(&here, &elsewhere).unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::fs::rename(&elsewhere, &here).unwrap();
        })
    };
    Contract::new(build, loss)
        .load(|| {
            let mut link = handle.lock().unwrap().clone().unwrap().downlink("load");
            Box::pin(async move {
                for counter in 0.. {
                    send(&mut *link, &housekeeping(counter, 2000, 1), second(i64::from(counter)));
                    if counter % 10 == 0 {
                        link.flush();
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .check();
}

#[test]
fn wrong_configurations_are_refused_by_key() {
    let state = tempfile::tempdir().unwrap();
    let services = services(state.path());
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 5] = [
        ("commit", |config| config.archive.commit = Duration::from_millis(1)),
        ("queue_mib", |config| config.archive.queue_mib = 0),
        ("stream_batches", |config| config.stream_batches = 0),
        ("no parameter named", |config| config.time = TimeConfig::Parameter { name: "Nope".into() }),
        ("no container `Nope`", |config| config.root = Some("Nope".into())),
    ];
    for (key, change) in cases {
        let mut config = config();
        change(&mut config);
        let error = build(config, &usual(), &services).err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    }
}
