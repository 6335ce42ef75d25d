//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_testkit::corpus::{damage, replay};
use perigee_units::fuzzing;

#[test]
fn corpora_hold_what_must_hold() {
    replay("units_file", fuzzing::unit_file);
    replay("units_calendar", fuzzing::calendar);
    replay("units_notify", fuzzing::notify);
    replay("units_health", fuzzing::health_answer);
    replay("units_tasks", fuzzing::tasks);
    replay("units_uevent", fuzzing::uevent);
}

#[test]
fn damaged_unit_files() {
    damage("units_file", fuzzing::unit_file);
}

#[test]
fn damaged_calendar_expressions() {
    damage("units_calendar", fuzzing::calendar);
}

#[test]
fn damaged_notifications() {
    damage("units_notify", fuzzing::notify);
    damage("units_tasks", fuzzing::tasks);
    damage("units_uevent", fuzzing::uevent);
}

#[test]
fn damaged_answers_to_health_checks() {
    damage("units_health", fuzzing::health_answer);
}
