//! Units, in the syntax of systemd, and what becomes of them: pure values and state machines, which start no process,
//! open no file and read no clock. `platform/init` runs them.
//!
//! [`unit`] reads unit files, [`value`] has the values that stand in them, [`calendar`] the expressions of
//! `OnCalendar=`; [`timer`] says when a timer elapses. [`machine`] is the supervisor: who starts before whom, and what
//! follows on what. [`service`] is the life of one service within it, [`health`] how it is asked whether it does its
//! work, [`notify`] what services say of themselves, [`tasks`] what they say of units that are parts of them, [`device`]
//! which devices are units, [`system`] what is set for all of them.

pub mod calendar;
pub mod device;
pub mod fuzzing;
pub mod health;
pub mod machine;
pub mod notify;
pub mod service;
pub mod system;
pub mod tasks;
pub mod timer;
pub mod unit;
pub mod value;
