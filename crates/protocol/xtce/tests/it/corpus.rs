//! The corpora of the fuzz targets, replayed.

use std::fs;

use perigee_testkit::workspace_root;
use perigee_xtce::fuzzing;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = workspace_root().join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        run(&fs::read(entry.expect("an entry").path()).expect("readable"));
        inputs += 1;
    }
    assert!(inputs > 3, "the corpus of {target} is gone");
}

#[test]
fn databases_of_every_kind() {
    replay("xtce_load", fuzzing::load);
}

#[test]
fn packets_of_every_kind() {
    replay("xtce_decode", fuzzing::decode);
}
