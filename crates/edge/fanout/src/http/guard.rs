//! Who is asking, and whether they may.

use std::sync::Arc;

use perigee_access::{Access, Identity, Role};
use perigee_part::http::Refusal;
use perigee_part::http::axum::extract::{Request, State};
use perigee_part::http::axum::http::{HeaderMap, StatusCode, header};
use perigee_part::http::axum::middleware::Next;
use perigee_part::http::axum::response::Response;

use super::headers::check_host;
use crate::config::{Anonymous, Config};
use crate::station::Station;

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "perigee_session";
/// A header that no foreign page can send without being asked about first: proof that the own page asks.
const REQUEST_MARK: &str = "x-perigee-request";

/// Whoever sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who they are and what they may do.
    pub(crate) identity: Identity,
    /// How they showed it.
    pub(crate) proof: Proof,
}

/// How a caller showed who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Not at all.
    None,
    /// By the cookie of an open session.
    Session(String),
    /// By an API token.
    Token(String),
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: for those who want to log in or out.
    Nothing,
    /// At least this role.
    Role(Role),
}

impl Caller {
    /// Who sent a request with these headers. A session that has ended makes its owner anonymous; a token
    /// that is not good is refused, since a program should know.
    pub(crate) fn of(headers: &HeaderMap, access: &Access) -> Result<Option<Self>, Refusal> {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let token = given.to_str().ok().and_then(|given| given.strip_prefix("Bearer "));
            let named = token.and_then(|token| Some((access.token(token)?, token.to_owned())));
            let (identity, token) = named.ok_or_else(|| {
                Refusal::new(StatusCode::UNAUTHORIZED, "unauthorised", "the API token is not good")
                    .hint("send `Authorization: Bearer` and a token that is neither expired nor revoked")
            })?;
            return Ok(Some(Self { identity, proof: Proof::Token(token) }));
        }
        let session = session_of(headers).and_then(|token| Some((access.session(token)?, token.to_owned())));
        Ok(session.map(|(identity, token)| Self { identity, proof: Proof::Session(token) }))
    }

    /// Whether the caller would still be let in to read. Asking is no use of the session: an open page must not
    /// keep it open.
    pub(crate) fn is_good(&self, access: &Access) -> bool {
        match &self.proof {
            Proof::None => true,
            Proof::Session(token) => access.is_open(token),
            Proof::Token(token) => access.token(token).is_some(),
        }
    }
}

/// The value of the session cookie (RFC 6265, 5.4).
pub(crate) fn session_of(headers: &HeaderMap) -> Option<&str> {
    let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// Lets a request pass to its route, with its [`Caller`], or refuses it.
pub(crate) async fn guard(
    State((station, needs)): State<(Arc<Station>, Needs)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    let caller = admit(headers, needs, &station.config, &station.access)?;
    let changes = !request.method().is_safe();
    if changes && matches!(caller.proof, Proof::Session(_)) && !headers.contains_key(REQUEST_MARK) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "forged",
            "this request may come from a foreign page",
        )
        .hint("send the header `X-Perigee-Request: 1` with every change"));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn admit(headers: &HeaderMap, needs: Needs, config: &Config, access: &Access) -> Result<Caller, Refusal> {
    if config.anonymous == Anonymous::Observer {
        check_host(headers, &config.hosts)?;
    }
    let nobody = || Caller { identity: Identity::anonymous(Role::Observer), proof: Proof::None };
    let known = Caller::of(headers, access)?;
    let Needs::Role(role) = needs else { return Ok(known.unwrap_or_else(nobody)) };
    match known {
        Some(caller) if caller.identity.role >= role => Ok(caller),
        Some(caller) => {
            let refusal =
                Refusal::new(StatusCode::FORBIDDEN, "forbidden", format!("this needs the role {role}"));
            Err(if caller.identity.must_change_password {
                refusal.hint("change the one-time password first")
            } else {
                refusal.hint(format!("{} is {}", caller.identity.name, caller.identity.role))
            })
        }
        None if role == Role::Observer && config.anonymous == Anonymous::Observer => Ok(nobody()),
        None => Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorised", "log in first")
            .hint(format!("this needs a session or an API token with the role {role}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perigee_part::http::axum::http::HeaderValue;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let cases = [
            ("perigee_session=abc", Some("abc")),
            ("theme=dark; perigee_session=abc; x=y", Some("abc")),
            ("xperigee_session=abc", None),
            ("perigee_session", None),
            ("", None),
        ];
        for (list, expected) in cases {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(list))]);
            assert_eq!(session_of(&headers), expected, "{list}");
        }
    }
}
