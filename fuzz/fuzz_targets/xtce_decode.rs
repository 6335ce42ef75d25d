//! Fuzzes the decoding of packets against databases that use every feature; what must hold is said at the function that is called.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_xtce::fuzzing::decode(data));
