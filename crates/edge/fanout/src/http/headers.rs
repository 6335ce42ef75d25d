//! What every answer says to the browser, and what the browser must have said with every request.

use perigee_part::http::Refusal;
use perigee_part::http::axum::http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::Authority,
};

/// The page loads nothing from elsewhere, compiles no strings and has no styles in its text. Images may be
/// `data:` and `blob:` for the page's framework, and for plots that are saved as pictures.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
     style-src 'self'; img-src 'self' data: blob:; font-src 'self'; manifest-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Sent with every answer.
pub(crate) const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Whether a page may open the WebSocket: one from here or from a configured origin. Browsers send
/// `Origin` with every upgrade (RFC 6455, 10.2), and no page can leave it out; programs need not.
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let same = authority.zip(host).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
    if same || allowed.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "origin", format!("pages of {origin:?} may not connect here"))
        .hint("add the origin to `origins` under [fanout]"))
}

/// Whether the name by which the station was called is one of its own: a literal address, `localhost` or a
/// configured name. See [`crate::Config::hosts`].
pub(crate) fn check_host(headers: &HeaderMap, hosts: &[String]) -> Result<(), Refusal> {
    let given = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = given.parse::<Authority>().map(|authority| authority.host().to_ascii_lowercase());
    let known = name.is_ok_and(|name| {
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        literal.parse::<std::net::IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
    });
    if known {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        "host",
        format!("{given:?} is no name of this station"),
    )
    .hint("use its address, or add the name to `hosts` under [fanout]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(k, v)| (k.clone(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn pages_from_elsewhere_may_not_connect() {
        let allowed = ["https://ops.example".to_owned()];
        for (origin, ok) in [
            (None, true),
            (Some("http://127.0.0.1:8080"), true),
            (Some("https://ops.example"), true),
            (Some("https://ops.example.evil"), false),
            (Some("http://127.0.0.1:8081"), false),
            (Some("http://evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            let mut fields = vec![(header::HOST, "127.0.0.1:8080")];
            fields.extend(origin.map(|origin| (header::ORIGIN, origin)));
            assert_eq!(check_origin(&headers(&fields), &allowed).is_ok(), ok, "{origin:?}");
        }
    }

    #[test]
    fn only_the_stations_own_names_are_answered() {
        let hosts = ["station.example".to_owned()];
        for (host, ok) in [
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("perigee.localhost:1", true),
            ("station.example:443", true),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(check_host(&headers(&[(header::HOST, host)]), &hosts).is_ok(), ok, "{host:?}");
        }
    }
}
