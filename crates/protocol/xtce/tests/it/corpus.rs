//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_testkit::corpus::{damage, replay};
use perigee_xtce::fuzzing;

#[test]
fn databases_of_every_kind() {
    replay("xtce_load", fuzzing::load);
}

#[test]
fn packets_of_every_kind() {
    replay("xtce_decode", fuzzing::decode);
}

#[test]
fn damaged_databases() {
    damage("xtce_load", fuzzing::load);
}

#[test]
fn damaged_packets() {
    damage("xtce_decode", fuzzing::decode);
}
