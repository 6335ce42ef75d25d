//! The station's parts as units: what each needs is its `BindsTo=` and `After=`, and a part that falls is started again as
//! any other unit. Whose units they are depends on who has started the station: a Perigee that takes them ([`above`]), or
//! nobody; then a supervisor on a thread of this program decides about them ([`own`]).

mod above;
mod own;

use std::path::Path;
use std::time::Duration;

use perigee_part::node::{self, Orders, Supervise};
use perigee_units::tasks::{End, Said, Task};

use crate::keeper::Keeper;

pub(crate) use above::Above;
use own::Own;

/// Whoever decides about the parts.
pub(crate) enum Supervised {
    /// A supervisor of this program's own.
    Own(Own),
    /// The one that has started this program.
    Above(Above),
}

impl Supervised {
    /// Brings the parts, each with the names of those that it needs, to `above`, if there is such a one; else to a
    /// supervisor on a thread, with its control socket in `runtime`.
    pub(crate) fn begin(
        above: Option<Above>,
        parts: &[(String, Vec<String>)],
        describe: impl Fn(&str) -> String,
        orders: Orders,
        runtime: &Path,
        keeper: &Keeper,
    ) -> anyhow::Result<Supervised> {
        let tasks: Vec<_> =
            parts.iter().map(|(part, needs)| Task::new(part, needs, &describe(part))).collect();
        Ok(match above {
            Some(above) => {
                above.begin(tasks, orders, keeper.clone())?;
                Supervised::Above(above)
            }
            None => Supervised::Own(Own::begin(&tasks, orders, runtime)?),
        })
    }

    /// What the node tells its supervisor by.
    pub(crate) fn told(&self) -> impl Supervise + use<> {
        match self {
            Supervised::Own(own) => Told::Own(own.told()),
            Supervised::Above(above) => Told::Above(above.clone()),
        }
    }

    /// Takes in how the supervisor has ended, once the node has.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        match self {
            Supervised::Own(own) => own.end(),
            Supervised::Above(above) => above.end(),
        }
    }
}

/// Tells the supervisor what became of parts.
enum Told {
    Own(own::Told),
    Above(Above),
}

impl Told {
    fn say(&self, said: Said) {
        match self {
            Told::Own(own) => own.say(said),
            Told::Above(above) => above.say(said),
        }
    }
}

impl Supervise for Told {
    fn ready(&self, part: &str) {
        self.say(Said::Ready(part.to_owned()));
    }

    fn ended(&self, part: &str, end: &node::End) {
        let (end, why) = match end {
            node::End::Well => (End::Well, ""),
            node::End::Failed(why) => (End::Failed, why.as_str()),
            node::End::Panicked(why) => (End::Panicked, why.as_str()),
            node::End::Killed => (End::Killed, "did not drain in time"),
        };
        self.say(Said::Ended(part.to_owned(), end, why.to_owned()));
    }

    fn patience(&self, part: &str, length: Duration) {
        self.say(Said::Patience(part.to_owned(), length));
    }

    fn end(&self) {
        self.say(Said::End);
    }
}

#[cfg(test)]
mod tests;
