//! Fuzzes the blocks of the archive as they are read from a file; what must hold is said at the function that is called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_telemetry::fuzzing::archive_block(data));
