//! Logging in and out, and changing the password.

use std::net::SocketAddr;
use std::sync::Arc;

use perigee_access::{AccessError, Identity, Role, Secret};
use perigee_part::http::Refusal;
use perigee_part::http::axum::extract::{ConnectInfo, State};
use perigee_part::http::axum::http::{HeaderValue, StatusCode, header};
use perigee_part::http::axum::response::{IntoResponse, Response};
use perigee_part::http::axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::guard::{COOKIE, Caller, Proof};
use super::input::{Body, internal};
use crate::station::Station;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    name: String,
    password: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    old: Secret,
    new: Secret,
}

/// Who the caller is.
#[derive(Serialize)]
pub(crate) struct Session {
    name: String,
    role: Role,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    must_change_password: bool,
}

impl From<Identity> for Session {
    fn from(identity: Identity) -> Self {
        let Identity { name, role, must_change_password } = identity;
        Self { name, role, must_change_password }
    }
}

/// `POST /api/login`
pub(crate) async fn login(
    State(station): State<Arc<Station>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Body(Login { name, password }): Body<Login>,
) -> Result<Response, Refusal> {
    let secure = station.config.secure_cookie;
    let session = Arc::clone(&station)
        .check_password(move |station| station.access.login(&name, &password, peer.ip()))
        .await?
        .map_err(refuse)?;
    let cookie = cookie(session.token.expose(), secure)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(Session::from(session.identity))).into_response())
}

/// `POST /api/logout`
pub(crate) async fn logout(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let secure = station.config.secure_cookie;
    if let Proof::Session(token) = caller.proof {
        Arc::clone(&station).blocking(move |station| station.access.logout(&token)).await?;
    }
    let cookie = cookie("", secure)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// `GET /api/session`
pub(crate) async fn session(Extension(caller): Extension<Caller>) -> Json<Session> {
    Json(caller.identity.into())
}

/// `POST /api/password`
pub(crate) async fn password(
    State(station): State<Arc<Station>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(caller): Extension<Caller>,
    Body(NewPassword { old, new }): Body<NewPassword>,
) -> Result<Json<Session>, Refusal> {
    let Proof::Session(session) = caller.proof else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorised", "log in first")
            .hint("a password is changed in a session of its owner"));
    };
    let name = caller.identity.name;
    let changed = Arc::clone(&station).check_password(move |station| {
        station.access.change_password(&name, &old, &new, peer.ip(), Some(&session))
    });
    Ok(Json(changed.await?.map_err(refuse)?.into()))
}

/// The cookie that holds a session, or takes it back when `token` is empty.
fn cookie(token: &str, secure: bool) -> Result<HeaderValue, Refusal> {
    let gone = if token.is_empty() { "; Max-Age=0" } else { "" };
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{gone}{secure}");
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| internal("a session token is no header text"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refuse(error: AccessError) -> Refusal {
    let message = error.to_string();
    match error {
        AccessError::WrongCredentials => Refusal::new(StatusCode::UNAUTHORIZED, "wrong-credentials", message),
        AccessError::Throttled(_) => Refusal::new(StatusCode::TOO_MANY_REQUESTS, "throttled", message),
        AccessError::Busy | AccessError::Locked => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
        }
        AccessError::WeakPassword(_) => {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "weak-password", message)
        }
        AccessError::Unknown { .. } => Refusal::new(StatusCode::NOT_FOUND, "not-found", message),
        AccessError::Refused(_) => Refusal::new(StatusCode::CONFLICT, "refused", message),
        // Paths and the like are for the log, not for the net.
        AccessError::Io { .. } | AccessError::Damaged { .. } => internal(&message),
    }
}
