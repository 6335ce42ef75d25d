//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_ccsds::fuzzing;
use perigee_testkit::corpus::{damage, replay};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 5] = [
    ("ccsds_receive_chain", fuzzing::receive_chain),
    ("ccsds_frame_views", fuzzing::frame_views),
    ("ccsds_packet_assembly", fuzzing::packet_assembly),
    ("ccsds_time_codes", fuzzing::time_codes),
    ("ccsds_link_file", fuzzing::link_file),
];

#[test]
fn corpora_hold_what_must_hold() {
    for (target, run) in TARGETS {
        replay(target, run);
    }
}

#[test]
fn damaged_receive_chain() {
    damage("ccsds_receive_chain", fuzzing::receive_chain);
}

#[test]
fn damaged_frame_views() {
    damage("ccsds_frame_views", fuzzing::frame_views);
}

#[test]
fn damaged_packet_assembly() {
    damage("ccsds_packet_assembly", fuzzing::packet_assembly);
}

#[test]
fn damaged_time_codes() {
    damage("ccsds_time_codes", fuzzing::time_codes);
}

#[test]
fn damaged_link_file() {
    damage("ccsds_link_file", fuzzing::link_file);
}
