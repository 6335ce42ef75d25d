#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_fanout::fuzzing::client_messages(data));
