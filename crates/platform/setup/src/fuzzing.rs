//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use perigee_units::unit::Host;

use crate::{conf, sysusers, tmpfiles};

/// Lines of tmpfiles.d: what is read has an absolute path without steps up, and reads the same twice.
pub fn tmpfiles(data: &[u8]) {
    let host = Host { boot_id: Some("0".repeat(32)), ..Host::default() };
    for (_, line) in conf::lines(data) {
        let Ok(line) = line else { continue };
        let read = tmpfiles::parse(line, &host);
        if let Ok(item) = &read {
            assert!(item.path.starts_with('/') && !item.path.split('/').any(|step| step == ".."), "{item:?}");
            assert!(item.mode.is_none_or(|mode| mode.bits <= 0o7777), "{item:?}");
        }
        assert_eq!(read.map_err(|e| e.to_string()), tmpfiles::parse(line, &host).map_err(|e| e.to_string()));
    }
}

/// Lines of sysusers.d: what is read can stand in the tables of accounts.
pub fn sysusers(data: &[u8]) {
    let host = Host::default();
    for (_, line) in conf::lines(data) {
        let Ok(line) = line else { continue };
        if let Ok(read) = sysusers::parse(line, &host) {
            for text in read.columns() {
                assert!(!text.contains([':', '\n', '\0']), "{read:?}");
            }
        }
    }
}
