//! What runs here, and its mission database.

use std::sync::Arc;

use perigee_part::http::axum::Json;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use perigee_part::http::axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::assets::is_known;
use crate::dictionary::describe;
use crate::station::Station;

#[derive(Serialize)]
pub(crate) struct About {
    name: &'static str,
    version: &'static str,
    station: String,
    started: i64,
    database: DatabaseSummary,
}

#[derive(Serialize)]
struct DatabaseSummary {
    name: String,
    version: String,
    parameters: usize,
    containers: usize,
}

/// `GET /api/about`
pub(crate) async fn about(State(station): State<Arc<Station>>) -> Json<About> {
    let database = &station.database;
    Json(About {
        name: "Perigee",
        version: env!("CARGO_PKG_VERSION"),
        station: station.config.station.clone(),
        started: station.started.as_millis(),
        database: DatabaseSummary {
            name: database.name().to_owned(),
            version: database.version().to_owned(),
            parameters: describe(database).count(),
            containers: database.containers().len(),
        },
    })
}

/// `GET /api/parameters`: the same answer as long as the node runs.
pub(crate) async fn parameters(State(station): State<Arc<Station>>, headers: HeaderMap) -> Response {
    let etag = format!("\"{:x}\"", station.started.0);
    let known = is_known(&headers, &etag);
    let caching = [
        (header::ETAG, HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\""))),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (caching, json, station.parameters.clone()).into_response()
}

/// The answer of `GET /api/parameters`, encoded once.
pub(crate) fn encode_parameters(database: &perigee_xtce::Database) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Answer<T> {
        parameters: Vec<T>,
    }
    serde_json::to_vec(&Answer { parameters: describe(database).collect() })
}
