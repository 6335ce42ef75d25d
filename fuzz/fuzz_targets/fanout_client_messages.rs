//! Fuzzes the messages of live clients, in JSON and in MessagePack; what must hold is said at the function that is called.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_fanout::fuzzing::client_messages(data));
