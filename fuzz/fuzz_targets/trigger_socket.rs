//! Fuzzes the files of sockets; what must hold is said at the function that is called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_trigger::fuzzing::socket(data));
