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

/// The mark of its byte order is no character of a text: such a text is not written as it was read.
#[test]
fn texts_that_bring_their_byte_order() {
    let xml = "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet><StringParameterType name='t'>\
        <StringDataEncoding encoding='UTF-16'><SizeInBits><Fixed><FixedValue>32</FixedValue></Fixed></SizeInBits></StringDataEncoding>\
        </StringParameterType></ParameterTypeSet><ParameterSet><Parameter name='T' parameterTypeRef='t'/></ParameterSet><ContainerSet>\
        <SequenceContainer name='P'><EntryList><ParameterRefEntry parameterRef='T'/></EntryList></SequenceContainer></ContainerSet>\
        </TelemetryMetaData></SpaceSystem>";
    fuzzing::decode_under(xml, &[0, 4, 0xFF, 0xFE, 0x41, 0, 0, 4, 0, 0x41, 0, 0x42]);
}
