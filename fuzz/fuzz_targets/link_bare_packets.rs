#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_link::fuzzing::bare_packets(data));
