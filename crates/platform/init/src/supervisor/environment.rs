//! Variables that every process of a service gets, and that can be changed while the supervisor runs: systemctl's
//! `set-environment`. They may be secrets: no value is ever logged, or shown to who may not change anything.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Variables, and octets of all of them: each process gets a copy.
const MOST_VARIABLES: usize = 1024;
const MOST_OCTETS: usize = 128 << 10;

/// The variables.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ManagerEnvironment(BTreeMap<String, String>);

impl fmt::Debug for ManagerEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl ManagerEnvironment {
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// As `NAME=VALUE`, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Takes variables out, by their names or as `NAME=VALUE` if they have this value, then puts others in; all of it or
    /// nothing.
    pub(super) fn change(&mut self, set: &[String], unset: &[String]) -> Result<(), String> {
        let mut after = self.0.clone();
        for line in unset {
            match line.split_once('=') {
                Some((name, value)) => {
                    checked(name)?;
                    if after.get(name).is_some_and(|known| known == value) {
                        after.remove(name);
                    }
                }
                None => {
                    checked(line)?;
                    after.remove(line);
                }
            }
        }
        for line in set {
            // What is no pair may be a secret all the same.
            let (name, value) = line.split_once('=').ok_or("a variable is set as NAME=VALUE")?;
            checked(name)?;
            if value.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
                return Err(format!("the value of {name} has a control character in it"));
            }
            after.insert(name.to_owned(), value.to_owned());
        }
        let octets: usize = after.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        if after.len() > MOST_VARIABLES || octets > MOST_OCTETS {
            return Err(format!(
                "no more than {MOST_VARIABLES} variables of {MOST_OCTETS} octets together can be set"
            ));
        }
        self.0 = after;
        Ok(())
    }
}

fn checked(name: &str) -> Result<(), String> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && name.len() <= 255 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    // It may be a value in the wrong place.
    Err("the name of a variable has letters, digits and `_` alone, and does not begin with a digit"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_and_go_all_at_once() {
        let mut environment = ManagerEnvironment::default();
        let words =
            |text: &str| text.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        environment.change(&words("B=2 A=1=x C="), &[]).expect("set");
        assert_eq!(environment.lines(), ["A=1=x", "B=2", "C="]);
        environment.change(&words("A=3"), &words("A B=7 C= D")).expect("changed");
        assert_eq!(environment.lines(), ["A=3", "B=2"]);
        let long = format!("L={}", "x".repeat(MOST_OCTETS));
        for (set, unset) in [
            ("D=4 secret", ""),
            ("D=4 1secret=x", ""),
            ("D=4 =secret", ""),
            ("D=4 S=\u{7}secret", ""),
            ("D=4", "A se-cret"),
            (long.as_str(), "A"),
        ] {
            let error = environment.change(&words(set), &words(unset)).expect_err(set);
            assert!(!error.contains("secret"), "{error}");
            assert_eq!(environment.lines(), ["A=3", "B=2"], "all or nothing");
        }
        let many: Vec<_> = (0..=MOST_VARIABLES).map(|number| format!("V{number}=")).collect();
        assert!(environment.change(&many, &[]).is_err());
        environment.change(&words("S=secret"), &[]).expect("set");
        assert!(!format!("{environment:?}").contains("secret"));
    }
}
