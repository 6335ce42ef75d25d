//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_init::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora_hold_what_must_hold() {
    replay("init_unit_file", fuzzing::unit_file);
    replay("init_calendar", fuzzing::calendar);
}

#[test]
fn damaged_unit_files() {
    damage("init_unit_file", fuzzing::unit_file);
}

#[test]
fn damaged_calendar_expressions() {
    damage("init_calendar", fuzzing::calendar);
}
