//! The corpora of the fuzz targets, replayed.

use perigee_ccsds::fuzzing;
use perigee_testkit::workspace_root;

/// Runs a target over its corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = workspace_root().join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        run(&std::fs::read(file.expect("entry").path()).expect("readable"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn corpora_of_the_fuzz_targets() {
    replay("ccsds_receive_chain", fuzzing::receive_chain);
    replay("ccsds_frame_views", fuzzing::frame_views);
    replay("ccsds_packet_assembly", fuzzing::packet_assembly);
    replay("ccsds_time_codes", fuzzing::time_codes);
    replay("ccsds_link_file", fuzzing::link_file);
}
