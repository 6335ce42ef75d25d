//! The corpora of the fuzz targets, for tests: replayed as they are, and with seeded damage.

use std::time::{Duration, Instant};

use crate::shared::workspace_root;

/// The files of a target's corpus, by name. A corpus that is not there is a failure.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = workspace_root().join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

/// Runs a target over its corpus.
pub fn replay(target: &str, run: fn(&[u8])) {
    corpus(target).iter().for_each(|input| run(input));
}

/// How long a test goes on that could go on for ever: `short`, or in a soak a fifth of the SECONDS_EACH that a fuzz target
/// has, two minutes where nothing is said.
pub fn how_long(short: Duration) -> Duration {
    if std::env::var_os("PERIGEE_SOAK").is_none() {
        return short;
    }
    let each = std::env::var("SECONDS_EACH").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(each.unwrap_or(600.0) / 5.0)
}

/// Runs a target over damaged files of its corpus for a while; an input that fails is printed in hexadecimal.
pub fn damage(target: &str, run: fn(&[u8])) {
    let limit = how_long(Duration::from_millis(400));
    let corpus = corpus(target);
    let mut random = 0x5EED_u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit.max(1)
    };
    let begin = Instant::now();
    let mut runs = 0;
    while begin.elapsed() < limit {
        runs += 1;
        let mut input = corpus[below(corpus.len())].clone();
        for _ in 0..=below(8) {
            let at = below(input.len());
            match below(6) {
                _ if input.is_empty() => input.push(below(256) as u8),
                0 => input[at] ^= 1 << below(8),
                1 => input[at] = below(256) as u8,
                2 => input[at] = [0, 0x7F, 0x80, 0xFE, 0xFF][below(5)],
                3 => input.truncate(at),
                4 => input.insert(at, below(256) as u8),
                _ => {
                    let piece = input[at..].to_vec();
                    let to = below(input.len());
                    input.splice(to..to, piece);
                }
            }
            input.truncate(1 << 14);
        }
        if std::panic::catch_unwind(|| run(&input)).is_err() {
            let hex: String = input.iter().map(|octet| format!("{octet:02x}")).collect();
            panic!("{target} fails on {hex}");
        }
    }
    eprintln!("{target}: {runs} damaged inputs");
}
