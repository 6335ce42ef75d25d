//! `perigee ctl order`: what starting a unit would start, in which order, as the supervisor's machine has it. Nothing
//! is run: every unit says at once that it is ready.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use perigee_files::{host, load};
use perigee_units::machine::{Effect, Event, Machine, UnitId, Verb};
use serde::Serialize;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The unit that would be started; a name without an ending is a service
    #[arg(value_name = "UNIT")]
    unit: String,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Look for units in this folder instead of the system's; may be given again, the first one counts
    #[arg(long, value_name = "FOLDER")]
    path: Vec<PathBuf>,
}

/// What the machine did.
#[derive(Default, Serialize)]
struct Order {
    /// The units that start together, step by step.
    steps: Vec<Vec<String>>,
    /// Circles in the order, and the unit that was left out for each.
    circles: Vec<Circle>,
    /// Units that were wanted and are not started.
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Circle {
    units: Vec<String>,
    without: Option<String>,
}

#[derive(Serialize)]
struct LeftOut {
    unit: String,
    reason: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let search = super::search_path(&arguments.path);
    let name = super::unit_name(&arguments.unit)?;
    let loaded = load(&search, &host(), std::slice::from_ref(&name))?;
    let mut machine = Machine::new(loaded.specs);
    // An alias leads to another name; the unit that was asked for is the first one.
    let unit = machine.units().next().context("nothing was loaded")?;
    machine.request(Verb::Start, unit, Duration::ZERO)?;
    let order = carry_out(&mut machine);
    let mut out = stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&order)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (step, units) in (1..).zip(&order.steps) {
        writeln!(out, "{step:>4}  {}", units.join(" "))?;
    }
    for circle in &order.circles {
        let without = circle.without.as_deref().unwrap_or("nothing");
        writeln!(out, "circle: {}; left out: {without}", circle.units.join(" after "))?;
    }
    for left_out in &order.left_out {
        writeln!(out, "not started: {}: {}", left_out.unit, left_out.reason)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets every unit be ready as soon as it is started, and every device be there when it is waited for.
fn carry_out(machine: &mut Machine) -> Order {
    let mut order = Order::default();
    let mut starting = Vec::new();
    loop {
        while let Some(effect) = machine.effect() {
            let name = |unit: UnitId| machine.name(unit).to_owned();
            match effect {
                Effect::Start(unit) => starting.push(unit),
                Effect::Cycle(units, cut) => {
                    let units = units.into_iter().map(name).collect();
                    order.circles.push(Circle { units, without: cut.map(name) });
                }
                Effect::NotStarted(unit, why) => {
                    order.left_out.push(LeftOut { unit: name(unit), reason: why.to_string() });
                }
                _ => {}
            }
        }
        starting.extend(machine.awaited());
        if starting.is_empty() {
            return order;
        }
        order.steps.push(starting.iter().map(|unit| machine.name(*unit).to_owned()).collect());
        for unit in starting.drain(..) {
            machine.event(unit, Event::Ready, Duration::ZERO);
        }
    }
}
