//! The simulator seen from the ground.

mod database;
mod part;
