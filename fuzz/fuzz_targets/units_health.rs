//! Fuzzes answers to health checks, and their addresses; what must hold is said at the function that is called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_units::fuzzing::health_answer(data));
