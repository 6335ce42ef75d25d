//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use std::fs;
use std::time::{Duration, Instant};

use perigee_init::fuzzing;
use perigee_testkit::workspace_root;

/// Octets that mean something in what is read.
const OCTETS: &[u8] = b" =[]\\%\"'-,.~/:*0123456789ax\n\0\xFF";

fn replay(target: &str, run: fn(&[u8])) {
    let folder = workspace_root().join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() > 3, "the corpus of {target} is gone");
    corpus.iter().for_each(|input| run(input));
    let limit = match std::env::var_os("PERIGEE_SOAK") {
        Some(_) => Duration::from_secs(120),
        None => Duration::from_millis(400),
    };
    let mut random = 0x5EED_u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit.max(1)
    };
    let begin = Instant::now();
    while begin.elapsed() < limit {
        let mut input = corpus[below(corpus.len())].clone();
        for _ in 0..=below(6) {
            let at = below(input.len());
            match below(5) {
                _ if input.is_empty() => input.push(below(256) as u8),
                0 => input[at] = OCTETS[below(OCTETS.len())],
                1 => input.truncate(at),
                2 => input.insert(at, OCTETS[below(OCTETS.len())]),
                3 => drop(input.remove(at)),
                _ => {
                    let piece = input[at..].to_vec();
                    let to = below(input.len());
                    input.splice(to..to, piece);
                }
            }
            input.truncate(1 << 13);
        }
        if std::panic::catch_unwind(|| run(&input)).is_err() {
            panic!("{target} fails on {:?}", String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn unit_files() {
    replay("init_unit_file", fuzzing::unit_file);
}

#[test]
fn calendar_expressions() {
    replay("init_calendar", fuzzing::calendar);
}
