//! PerigeeSat, a small satellite that was never launched: what a station listens to before it has a mission
//! of its own.

#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub mod model;
