//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use perigee_units::unit::{Host, Source, Unit, UnitName};

use crate::socket::{Address, Listen, SocketSpec};

/// A `.socket` file: what can be listened at is shown as it is read again.
pub fn socket(data: &[u8]) {
    let text = [b"[Socket]\n", data].concat();
    let name = UnitName::parse("a-b@c.socket").expect("a name");
    let unit = Unit::read(name, &[Source { path: "socket".into(), text }], &Host::default());
    let Ok(spec) = SocketSpec::read(&unit) else { return };
    for listen in &spec.listens {
        if let Listen::Stream(address) | Listen::Datagram(address) | Listen::Packet(address) = listen {
            assert_eq!(Address::parse(&address.to_string()).as_ref(), Ok(address));
        }
    }
}
