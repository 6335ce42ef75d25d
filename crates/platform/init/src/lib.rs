//! PID 1 and supervisor: units in the syntax of systemd, and when their timers elapse.
//!
//! [`unit`] finds and reads unit files, [`value`] has the values that stand in them, [`calendar`] the
//! expressions of `OnCalendar=`.

pub mod calendar;
pub mod fuzzing;
pub mod unit;
pub mod value;
