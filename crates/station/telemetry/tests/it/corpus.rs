//! The corpus of the fuzz target, replayed as it is and with seeded damage.

use perigee_telemetry::fuzzing::archive_block;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn blocks_of_every_kind() {
    replay("telemetry_archive_block", archive_block);
}

#[test]
fn damaged_blocks() {
    damage("telemetry_archive_block", archive_block);
}
