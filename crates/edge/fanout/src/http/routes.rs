//! Every route of the API, with the role that it needs, in one table.

use std::sync::Arc;

use perigee_access::Role;
use perigee_part::http::axum::extract::{Request, State};
use perigee_part::http::axum::handler::Handler;
#[cfg(test)]
use perigee_part::http::axum::http::Method;
use perigee_part::http::axum::http::{HeaderValue, StatusCode, header};
use perigee_part::http::axum::middleware::{Next, from_fn, from_fn_with_state};
use perigee_part::http::axum::response::{IntoResponse, Response};
use perigee_part::http::axum::routing::{MethodRouter, get, post};
use perigee_part::http::{Refusal, Router};

use super::guard::{Needs, guard};
use super::headers::SECURITY;
use super::{account, alarms, database, reception, units, values};
use crate::live::{self, events, websocket};
use crate::station::Station;

/// The description of this table for programs, OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// One route.
pub(crate) struct Route {
    #[cfg(test)]
    method: Method,
    path: &'static str,
    needs: Needs,
    handler: MethodRouter<Arc<Station>>,
}

impl Route {
    /// A route that changes nothing.
    fn read<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Station>>) -> Self {
        Self::read_as(path, Role::Observer, handler)
    }

    /// One that shows what is not for everybody.
    fn read_as<T: 'static>(path: &'static str, role: Role, handler: impl Handler<T, Arc<Station>>) -> Self {
        let needs = Needs::Role(role);
        Self {
            #[cfg(test)]
            method: Method::GET,
            path,
            needs,
            handler: get(handler),
        }
    }

    /// A route that changes something.
    fn change<T: 'static>(path: &'static str, needs: Needs, handler: impl Handler<T, Arc<Station>>) -> Self {
        Self {
            #[cfg(test)]
            method: Method::POST,
            path,
            needs,
            handler: post(handler),
        }
    }
}

/// The table.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::change("/api/login", Needs::Nothing, account::login),
        Route::change("/api/logout", Needs::Nothing, account::logout),
        Route::change("/api/password", Needs::Role(Role::Observer), account::password),
        Route::read("/api/session", account::session),
        Route::read("/api/about", database::about),
        Route::read("/api/parameters", database::parameters),
        Route::read("/api/latest", values::latest),
        Route::read("/api/history", values::history),
        Route::read("/api/alarms", alarms::list),
        Route::change("/api/alarms/{id}/acknowledge", Needs::Role(Role::Operator), alarms::acknowledge),
        Route::read("/api/links", reception::links),
        Route::read("/api/rejections", reception::rejections),
        Route::read("/api/completeness", reception::completeness),
        Route::read("/api/units", units::list),
        Route::read("/api/units/events", live::units::open),
        Route::read("/api/units/{name}", units::status),
        Route::read_as("/api/units/{name}/log", Role::Operator, live::unit_log::open),
        Route::change("/api/units/{name}/{action}", Needs::Role(Role::Operator), units::act),
        Route::read("/api/stream", websocket::open),
        Route::read("/api/events", events::open),
        Route::read("/api/openapi.json", openapi),
    ]
}

/// The whole of it: the API, the page, and what every answer carries.
pub(crate) fn router(station: &Arc<Station>) -> Router {
    let mut router = Router::new();
    for Route { path, needs, handler, .. } in routes() {
        let guarded = from_fn_with_state((Arc::clone(station), needs), guard);
        router = router.route(path, handler.route_layer(guarded));
    }
    router
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path is not asked this way")
        })
        .fallback(page)
        .with_state(Arc::clone(station))
        .layer(from_fn(dress))
}

/// Whatever is not the API is a file of the page, or nothing.
async fn page(State(station): State<Arc<Station>>, request: Request) -> Response {
    let path = request.uri().path();
    station.assets.answer(request.method(), path, request.headers()).unwrap_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at {path}"))
            .into_response()
    })
}

/// Adds to every answer what browsers must know, and keeps answers of the API out of caches unless they say
/// otherwise.
async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.extend(SECURITY);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `GET /api/openapi.json`
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `METHOD path role` of every route.
    fn of_the_table() -> BTreeSet<String> {
        let line = |route: &Route| {
            let role = match route.needs {
                Needs::Nothing => "null".to_owned(),
                Needs::Role(role) => format!("\"{role}\""),
            };
            format!("{} {} {role}", route.method, route.path)
        };
        routes().iter().map(line).collect()
    }

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let description: serde_json::Value = serde_json::from_str(OPENAPI).expect("valid JSON");
        let mut described = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let role = &operation["x-perigee-role"];
                described.insert(format!("{} {path} {role}", method.to_uppercase()));
            }
        }
        assert_eq!(described, of_the_table());
    }

    #[test]
    fn every_reference_in_the_description_leads_somewhere() {
        fn check(node: &serde_json::Value, root: &serde_json::Value) {
            match node {
                serde_json::Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(|r| r.as_str()) {
                        let pointer = reference.strip_prefix('#').expect("local");
                        assert!(root.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|member| check(member, root));
                }
                serde_json::Value::Array(list) => list.iter().for_each(|element| check(element, root)),
                _ => {}
            }
        }
        let description: serde_json::Value = serde_json::from_str(OPENAPI).expect("valid JSON");
        check(&description, &description);
    }
}
