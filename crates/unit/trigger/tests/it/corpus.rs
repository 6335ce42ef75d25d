//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_testkit::corpus::{damage, replay};
use perigee_trigger::fuzzing;

#[test]
fn corpora_hold_what_must_hold() {
    replay("trigger_socket", fuzzing::socket);
}

#[test]
fn damaged_sockets() {
    damage("trigger_socket", fuzzing::socket);
}
