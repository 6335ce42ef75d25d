//! The command as people use it: the binary, its output and its exit status.

#![allow(clippy::unwrap_used)]

mod boot;
mod ctl_check;
mod ctl_logs;
mod faults;
mod init;
mod load;
mod names;
mod noise;
mod parts;
mod station;
mod storms;
mod support;
mod systemctl;
mod tasks;
mod tm_decode;
mod tm_recordings;
