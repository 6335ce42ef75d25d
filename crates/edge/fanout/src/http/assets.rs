//! The page's files, handed in by the command, which has them in its own image.
//!
//! Conditional requests and content coding are those of RFC 9110 (8.8.3, 12.5.3, 13.1.2), caching that of
//! RFC 9111 and RFC 8246 (`immutable`).

use std::collections::HashMap;
use std::sync::Arc;

use perigee_part::http::axum::body::Body;
use perigee_part::http::axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path in the URL: `/index.html`, which also answers `/`, or `/assets/main-4f1c.js`.
    pub path: &'static str,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The file.
    pub octets: &'static [u8],
    /// The same, compressed with gzip, where that is smaller.
    pub gzip: Option<&'static [u8]>,
    /// A strong validator, quotes included: `"4f1c…"`.
    pub etag: &'static str,
    /// Whether the name changes with the content, so that browsers may keep it for ever.
    pub immutable: bool,
}

/// The files by path.
#[derive(Clone, Debug)]
pub(crate) struct Assets {
    by_path: Arc<HashMap<&'static str, Asset>>,
}

impl Assets {
    /// Of several files with one path the last one counts.
    pub(crate) fn new(assets: Vec<Asset>) -> Self {
        Self { by_path: Arc::new(assets.into_iter().map(|asset| (asset.path, asset)).collect()) }
    }

    /// Answers a request for a file; `None` where there is no such file.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        let path = if path == "/" { "/index.html" } else { path };
        let asset = self.by_path.get(path)?;
        if method != Method::GET && method != Method::HEAD {
            let mut refused = Response::new(Body::empty());
            *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(refused);
        }
        let gzip = asset.gzip.filter(|_| accepts_gzip(headers));
        let known = is_known(headers, asset.etag);
        let mut answer = Response::new(Body::empty());
        let fields = answer.headers_mut();
        fields.insert(header::ETAG, HeaderValue::from_static(asset.etag));
        let caching = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        if asset.gzip.is_some() {
            fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if known {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            return Some(answer);
        }
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        if gzip.is_some() {
            fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let octets = gzip.unwrap_or(asset.octets);
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(octets.len()));
        if method == Method::GET {
            *answer.body_mut() = Body::from(octets);
        }
        Some(answer)
    }
}

/// Whether `If-None-Match` names the validator; the comparison is weak (RFC 9110, 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',').map(str::trim));
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether `Accept-Encoding` allows gzip (RFC 9110, 12.5.3): named with a weight above 0, or covered by `*`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for list in headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
        for item in list.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            let allowed = weight.is_ok_and(|weight| weight > 0.0);
            match coding {
                "gzip" | "x-gzip" => return allowed,
                "*" => any = allowed,
                _ => {}
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets() -> Assets {
        let index = Asset {
            path: "/index.html",
            content_type: "text/html; charset=utf-8",
            octets: b"<!doctype html>",
            gzip: Some(b"zipped"),
            etag: "\"one\"",
            immutable: false,
        };
        let script = Asset {
            path: "/assets/main-1.js",
            content_type: "text/javascript",
            octets: b"1",
            gzip: None,
            etag: "\"two\"",
            immutable: true,
        };
        Assets::new(vec![index, script])
    }

    fn ask(path: &str, fields: &[(header::HeaderName, &'static str)]) -> Option<Response<Body>> {
        let headers = fields.iter().map(|(k, v)| (k.clone(), HeaderValue::from_static(v))).collect();
        assets().answer(&Method::GET, path, &headers)
    }

    fn field<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
        answer.headers().get(name).map_or("", |value| value.to_str().expect("text"))
    }

    #[test]
    fn the_page_is_asked_for_again_and_its_parts_are_kept() {
        let index = ask("/", &[]).expect("index");
        assert_eq!(field(&index, "cache-control"), "no-cache");
        assert_eq!(field(&index, "content-length"), "15");
        assert_eq!(field(&index, "vary"), "accept-encoding");
        let script = ask("/assets/main-1.js", &[(header::ACCEPT_ENCODING, "gzip")]).expect("script");
        assert_eq!(field(&script, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(field(&script, "content-encoding"), "");
        assert!(ask("/../index.html", &[]).is_none());
    }

    #[test]
    fn gzip_goes_to_those_who_accept_it() {
        let cases = [
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("", false),
        ];
        for (accept, zipped) in cases {
            let answer = ask("/", &[(header::ACCEPT_ENCODING, accept)]).expect("index");
            assert_eq!(field(&answer, "content-encoding") == "gzip", zipped, "{accept}");
            assert_eq!(field(&answer, "content-length"), if zipped { "6" } else { "15" });
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        for (tags, status) in [
            ("\"one\"", StatusCode::NOT_MODIFIED),
            ("\"zero\", W/\"one\"", StatusCode::NOT_MODIFIED),
            ("*", StatusCode::NOT_MODIFIED),
            ("\"zero\"", StatusCode::OK),
        ] {
            assert_eq!(ask("/", &[(header::IF_NONE_MATCH, tags)]).expect("index").status(), status, "{tags}");
        }
    }

    #[test]
    fn files_cannot_be_posted_to() {
        let answer = assets().answer(&Method::POST, "/", &HeaderMap::new()).expect("index");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(field(&answer, "allow"), "GET, HEAD");
    }
}
