//! Fuzzes what a program and its supervisor tell each other of tasks; what must hold is said at the function that is
//! called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_units::fuzzing::tasks(data));
