//! PID 1 and supervisor: units in the syntax of systemd, when their timers elapse, and the machine that starts and
//! stops them. Nothing is run yet: the machine says what is to be done, and no one does it.
//!
//! [`unit`] finds and reads unit files, [`value`] has the values that stand in them, [`calendar`] the
//! expressions of `OnCalendar=`. [`load`] makes of units the relations that [`machine`] works on.

pub mod calendar;
pub mod fuzzing;
pub mod load;
pub mod machine;
pub mod unit;
pub mod value;
