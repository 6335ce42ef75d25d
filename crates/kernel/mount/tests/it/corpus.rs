//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_mount::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora_hold_what_must_hold() {
    replay("mount_tables", fuzzing::mounts);
}

#[test]
fn damaged_tables() {
    damage("mount_tables", fuzzing::mounts);
}
