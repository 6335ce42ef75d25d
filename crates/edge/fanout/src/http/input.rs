//! What comes with a request, checked, and refused in the words of the API; and how answers are written.

use perigee_part::http::Refusal;
use perigee_part::http::axum::extract::rejection::JsonRejection;
use perigee_part::http::axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use perigee_part::http::axum::http::request::Parts;
use perigee_part::http::axum::http::{StatusCode, header};
use perigee_part::http::axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::client::{Selection, Topic};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

/// The query string.
pub(crate) struct Params<T>(pub(crate) T);

/// The variable part of the path.
pub(crate) struct Segment<T>(pub(crate) T);

/// A request that is wrong in itself.
pub(crate) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad-request", message)
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "the body must be JSON",
            )
            .hint("send `Content-Type: application/json`")),
            // What serde says may quote the body, and the body may hold a password.
            Err(JsonRejection::JsonDataError(_)) => {
                Err(bad("the body is not what this request takes").hint("see /api/openapi.json"))
            }
            Err(JsonRejection::JsonSyntaxError(_)) => Err(bad("the body is not well-formed JSON")),
            Err(other) => Err(Refusal::new(other.status(), "bad-request", other.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|rejection| bad(rejection.body_text()))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(segment)| Self(segment)).map_err(|rejection| bad(rejection.body_text()))
    }
}

/// `parameters` of a query string.
pub(crate) fn selection(text: Option<&str>) -> Result<Selection, Refusal> {
    text.map_or(Ok(Selection::Nothing), Selection::parse).map_err(|e| bad(format!("parameters: {e}")))
}

/// `topics` of a query string.
pub(crate) fn topics(text: Option<&str>) -> Result<Vec<Topic>, Refusal> {
    text.map_or(Ok(Vec::new()), Topic::parse_list).map_err(|e| bad(format!("topics: {e}")))
}

/// An answer that borrows what it shows.
pub(crate) fn json(answer: &impl Serialize) -> Result<Response, Refusal> {
    let octets = serde_json::to_vec(answer).map_err(|error| internal(&error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], octets).into_response())
}

/// Something that is nobody's fault out there: said in the log, not to the caller.
pub(crate) fn internal(what: &str) -> Refusal {
    tracing::error!(target: "fanout", what, "a request failed");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the station could not do this")
        .hint("its log says why")
}
