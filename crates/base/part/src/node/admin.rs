//! The admin endpoints: `/health`, `/ready`, `/metrics`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::process::ProcessMetrics;
use super::{PartStatus, Readiness};
use crate::{Services, metrics};

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: metrics::Registry,
    process: ProcessMetrics,
}

pub(super) fn router(services: &Services, readiness: &Readiness) -> Router {
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: services.metrics.clone(),
        process: ProcessMetrics::register(&services.metrics),
    };
    Router::new()
        .route("/health", get(async || "OK"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    parts: Vec<PartStatus>,
}

async fn ready(State(admin): State<Admin>) -> Response {
    let ready = admin.readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, parts: admin.readiness.parts() })).into_response()
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    admin.process.update(&admin.readiness);
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = metrics::Format::for_accept(accepted);
    ([(header::CONTENT_TYPE, format.content_type())], admin.metrics.encode(format)).into_response()
}
