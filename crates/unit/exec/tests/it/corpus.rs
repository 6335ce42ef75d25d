//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_exec::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora_hold_what_must_hold() {
    replay("exec_service", fuzzing::service);
}

#[test]
fn damaged_services() {
    damage("exec_service", fuzzing::service);
}
