//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_init::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora_hold_what_must_hold() {
    replay("init_bus", fuzzing::bus);
    replay("init_control", fuzzing::control);
    replay("init_exec", fuzzing::exec);
    replay("init_mounts", fuzzing::mounts);
    replay("init_socket", fuzzing::socket);
}

#[test]
fn damaged_messages_of_the_bus() {
    damage("init_bus", fuzzing::bus);
}

#[test]
fn damaged_requests() {
    damage("init_control", fuzzing::control);
}

#[test]
fn damaged_services() {
    damage("init_exec", fuzzing::exec);
}

#[test]
fn damaged_mounts() {
    damage("init_mounts", fuzzing::mounts);
}

#[test]
fn damaged_sockets() {
    damage("init_socket", fuzzing::socket);
}
