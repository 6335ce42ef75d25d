//! Fuzzes the lines of fstab and of the table of mounts; what must hold is said at the function that is called.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| perigee_mount::fuzzing::mounts(data));
