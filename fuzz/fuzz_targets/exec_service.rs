//! Fuzzes what a service says of its processes, and files of variables; what must hold is said at the function that is called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_exec::fuzzing::service(data));
