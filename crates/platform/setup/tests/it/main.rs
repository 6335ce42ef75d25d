//! Systems in folders, set up by this room and by systemd's own programs.

#![allow(clippy::unwrap_used)]

mod accounts;
mod corpus;
mod files;
mod support;
