//! Control groups of this machine, as they are and in other views of them.

mod scenarios;
mod views;
mod yard;
