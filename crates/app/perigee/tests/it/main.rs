//! The command as people use it: the binary, its output and its exit status.

mod tm_decode;
mod tm_recordings;
