//! What systemd does not have: sections of Perigee's own. systemd passes over sections that begin with `X-`, so that a
//! unit with them runs there too.

use super::fate::Fate::CarriedOut;
use super::kind::Kind::{Bool, Choice, Command, HttpAddress, Number, Span, TcpAddress};
use super::{Directive, row};

/// How a service is asked whether it does its work.
pub(super) const HEALTH_CHECK: &[Directive] = &[
    row("Exec", Command, CarriedOut),
    row("HTTP", HttpAddress, CarriedOut),
    row("TCP", TcpAddress, CarriedOut),
    row("IntervalSec", Span, CarriedOut),
    row("TimeoutSec", Span, CarriedOut),
    row("Failures", Number(1, 1_000), CarriedOut),
    row("Successes", Number(1, 1_000), CarriedOut),
    row("StartSec", Span, CarriedOut),
    row("OnUnhealthy", Choice(&["fail", "show"]), CarriedOut),
];

/// What is said of any unit; `Tasks` of services.
pub(super) const PERIGEE: &[Directive] = &[row("Strict", Bool, CarriedOut), row("Tasks", Bool, CarriedOut)];
