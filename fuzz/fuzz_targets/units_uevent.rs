//! Fuzzes messages about devices; what must hold is said at the function that is called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_units::fuzzing::uevent(data));
