#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_xtce::fuzzing::load(data));
