//! The corpus of the fuzz target, replayed.

use perigee_testkit::workspace_root;

#[test]
fn corpus_of_bare_packets() {
    let folder = workspace_root().join("fuzz/corpus/link_bare_packets");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let count = files
        .map(|file| perigee_link::fuzzing::bare_packets(&std::fs::read(file.unwrap().path()).unwrap()))
        .count();
    assert!(count > 0, "{} is empty", folder.display());
}
