//! Signals by name and number, as Linux numbers them on x86-64 and AArch64.

use std::fmt;

use super::ValueError;

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Signal(u8);

/// Names of the signals 1 to 31.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Other names for some.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The first and the last real-time signal that the C library leaves to programs.
const REAL_TIME: (u8, u8) = (34, 64);

impl Signal {
    /// Hang-up.
    pub const HUP: Signal = Signal(1);
    /// Abort.
    pub const ABRT: Signal = Signal(6);
    /// Kill, which no process can refuse.
    pub const KILL: Signal = Signal(9);
    /// Broken pipe.
    pub const PIPE: Signal = Signal(13);
    /// Terminate.
    pub const TERM: Signal = Signal(15);
    /// Interrupt from the keyboard.
    pub const INT: Signal = Signal(2);
    /// A child has ended.
    pub const CHLD: Signal = Signal(17);
    /// Continue.
    pub const CONT: Signal = Signal(18);

    /// The signal with this number.
    pub fn from_number(number: i32) -> Option<Signal> {
        u8::try_from(number).ok().filter(|number| (1..=64).contains(number)).map(Signal)
    }

    /// `SIGTERM`, `TERM`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
    ///
    /// # Errors
    /// No such signal.
    pub fn parse(text: &str) -> Result<Signal, ValueError> {
        let wrong = || ValueError::Signal(text.to_owned());
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            return text.parse().ok().and_then(Signal::from_number).ok_or_else(wrong);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(index) = NAMES.iter().position(|known| *known == name) {
            return Ok(Signal(index as u8 + 1));
        }
        if let Some((_, number)) = ALIASES.iter().find(|(known, _)| *known == name) {
            return Ok(Signal(*number));
        }
        let offset = |rest: &str, sign: char| match rest.strip_prefix(sign) {
            Some(digits) => digits.parse::<u8>().ok(),
            None => rest.is_empty().then_some(0),
        };
        let number = if let Some(rest) = name.strip_prefix("RTMIN") {
            offset(rest, '+').and_then(|offset| REAL_TIME.0.checked_add(offset))
        } else if let Some(rest) = name.strip_prefix("RTMAX") {
            offset(rest, '-').and_then(|offset| REAL_TIME.1.checked_sub(offset))
        } else {
            None
        };
        number.filter(|number| (REAL_TIME.0..=REAL_TIME.1).contains(number)).map(Signal).ok_or_else(wrong)
    }

    /// The number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 >= REAL_TIME.0 => write!(f, "SIGRTMIN+{}", self.0 - REAL_TIME.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("term", 15),
            ("9", 9),
            ("SIGRTMIN+3", 37),
            ("RTMIN", 34),
            ("RTMAX-1", 63),
            ("SIGPOLL", 29),
            ("SYS", 31),
            ("64", 64),
        ] {
            assert_eq!(Signal::parse(text).map(Signal::number), Ok(number), "{text}");
        }
        for text in ["", "SIG", "0", "65", "SIGFOO", "RTMIN-1", "RTMIN+31", "RTMAX+1", "-9", "+9"] {
            assert_eq!(Signal::parse(text), Err(ValueError::Signal(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn every_signal_reads_back() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).expect("a signal");
            assert_eq!(Signal::parse(&signal.to_string()), Ok(signal));
        }
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(65), None);
    }
}
