//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_init::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora_hold_what_must_hold() {
    replay("init_bus", fuzzing::bus);
    replay("init_control", fuzzing::control);
}

#[test]
fn damaged_messages_of_the_bus() {
    damage("init_bus", fuzzing::bus);
}

#[test]
fn damaged_requests() {
    damage("init_control", fuzzing::control);
}
