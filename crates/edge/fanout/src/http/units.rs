//! Units: what the supervisors tell of them, and what they are told to do.

use std::sync::Arc;

use perigee_access::Role;
use perigee_init::control::{Job, ListedUnit, Reply, Request, UnitStatus};
use perigee_part::http::Refusal;
use perigee_part::http::axum::Extension;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::StatusCode;
use perigee_part::http::axum::response::Response;
use perigee_units::machine::Verb;
use perigee_units::unit::UnitName;
use serde::Serialize;

use super::guard::Caller;
use super::input::{Segment, internal, json};
use crate::station::Station;
use crate::supervisors::{Trouble, Which, ask};

#[derive(Serialize)]
struct Units {
    units: Vec<Row<ListedUnit>>,
    /// Supervisors that do not answer.
    silent: Vec<Which>,
}

/// A unit, and whose it is.
#[derive(Serialize)]
pub(crate) struct Row<T> {
    pub(crate) supervisor: Which,
    #[serde(flatten)]
    pub(crate) unit: T,
}

/// `GET /api/units`
pub(crate) async fn list(State(station): State<Arc<Station>>) -> Result<Response, Refusal> {
    let mut answer = Units { units: Vec::new(), silent: Vec::new() };
    for (supervisor, runtime) in station.supervisors.all() {
        match ask(runtime, &Request::List).await {
            Ok(replies) => answer.units.extend(replies.into_iter().filter_map(|reply| match reply {
                Reply::Listed(unit) => {
                    Some(Row { supervisor: station.supervisors.whose(&unit.unit, supervisor), unit })
                }
                _ => None,
            })),
            Err(trouble) => {
                tracing::warn!(target: "fanout", ?trouble, supervisor = supervisor.as_str(), "no list of units");
                answer.silent.push(supervisor);
            }
        }
    }
    answer
        .units
        .sort_by(|one, other| (one.supervisor, &one.unit.unit).cmp(&(other.supervisor, &other.unit.unit)));
    json(&answer)
}

/// A unit that exists.
pub(crate) async fn find(station: &Station, name: &str) -> Result<Row<UnitStatus>, Refusal> {
    let missing =
        || Refusal::new(StatusCode::NOT_FOUND, "not-found", format!("there is no unit named {name}"));
    UnitName::parse(name).map_err(|_| missing())?;
    let (supervisor, runtime) = station.supervisors.of(name).ok_or_else(missing)?;
    let replies = ask(runtime, &Request::Status { units: vec![name.to_owned()] }).await?;
    let status = replies.into_iter().find_map(|reply| match reply {
        Reply::Unit(status) if status.listed.load != "not-found" => Some(*status),
        _ => None,
    });
    Ok(Row { supervisor, unit: status.ok_or_else(missing)? })
}

/// `GET /api/units/{name}`
pub(crate) async fn status(
    State(station): State<Arc<Station>>,
    Segment(name): Segment<String>,
) -> Result<Response, Refusal> {
    json(&find(&station, &name).await?)
}

/// Units of the machine are for those who look after it.
pub(crate) fn check_machine(station: &Station, caller: &Caller, unit: &str) -> Result<(), Refusal> {
    let of_machine = station.supervisors.of(unit).is_some_and(|(which, _)| which == Which::Machine);
    if of_machine && caller.identity.role < Role::Admin {
        let message = format!("units of the machine need the role {}", Role::Admin);
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint(format!("{} is {}", caller.identity.name, caller.identity.role)));
    }
    Ok(())
}

#[derive(Serialize)]
struct Queued {
    jobs: Vec<Job>,
}

/// `POST /api/units/{name}/start`, `…/stop`, `…/restart`. It is answered when the job is made, not when it is done:
/// this part may be among those that are stopped.
pub(crate) async fn act(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
    Segment((name, action)): Segment<(String, String)>,
) -> Result<Response, Refusal> {
    let (verb, what) = match action.as_str() {
        "start" => (Verb::Start, "unit.start"),
        "stop" => (Verb::Stop, "unit.stop"),
        "restart" => (Verb::Restart, "unit.restart"),
        _ => {
            let message = format!("units know no {action}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, "not-found", message)
                .hint("there are start, stop and restart"));
        }
    };
    check_machine(&station, &caller, &name)?;
    let found = find(&station, &name).await?;
    let who = caller.identity.name;
    record(&station, &who, what, &name, found.supervisor).await?;
    let request =
        Request::Do { verb, units: vec![name.clone()], active_only: false, or_restart: false, wait: false };
    let runtime = station.supervisors.of(&name).map(|(_, runtime)| runtime);
    let asked = match runtime {
        Some(runtime) => ask(runtime, &request).await,
        None => Err(Trouble::Refused("nobody has this unit".to_owned())),
    };
    match asked {
        Ok(replies) => {
            let jobs = replies.into_iter().filter_map(|reply| match reply {
                Reply::Queued(job) => Some(job),
                _ => None,
            });
            json(&Queued { jobs: jobs.collect() })
        }
        Err(trouble) => {
            // The refusal is what the caller must hear of.
            let _ = record(&station, &who, &format!("{what}.failed"), &name, found.supervisor).await;
            Err(trouble.into())
        }
    }
}

async fn record(
    station: &Arc<Station>,
    who: &str,
    what: &str,
    unit: &str,
    supervisor: Which,
) -> Result<(), Refusal> {
    let [who, what, unit] = [who, what, unit].map(ToOwned::to_owned);
    let detail = format!("supervisor {}", supervisor.as_str());
    let recorded =
        Arc::clone(station).blocking(move |station| station.access.audit(&who, &what, &unit, &detail));
    recorded.await?.map_err(|error| internal(&error.to_string()))
}
