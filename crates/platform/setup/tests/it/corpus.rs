//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_setup::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora_hold_what_must_hold() {
    replay("setup_tmpfiles", fuzzing::tmpfiles);
    replay("setup_sysusers", fuzzing::sysusers);
}

#[test]
fn damaged_lines() {
    damage("setup_tmpfiles", fuzzing::tmpfiles);
    damage("setup_sysusers", fuzzing::sysusers);
}
