//! The little of HTTP/1.1 (RFC 9112) that asking for a status takes: an address, the request, and the first line of the
//! answer, which is all that is read of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::value::ValueError;

/// Octets of an answer that are read; its status must stand in them.
pub const LONGEST_HEAD: usize = 4096;

/// Octets of an address.
const LONGEST_ADDRESS: usize = 2048;

/// Whom a check asks, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where: names are not looked up, for that would take time which a supervisor has not.
    pub socket: SocketAddr,
    /// As it was written, for `Host:`.
    pub host: String,
    /// The path with what stands behind it; empty for a connection alone.
    pub path: String,
}

impl Address {
    /// Reads `http://HOST[:PORT][/PATH]`; the host is an address of IP or `localhost`.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn http(text: &str) -> Result<Address, ValueError> {
        let wrong = |expected| ValueError::Other { value: text.to_owned(), expected };
        if text.len() > LONGEST_ADDRESS {
            return Err(ValueError::TooLong(LONGEST_ADDRESS));
        }
        if text.starts_with("https://") {
            return Err(wrong(
                "asked over HTTP without TLS, which is what HTTP= does; a command may do the other",
            ));
        }
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| wrong("an address such as http://127.0.0.1:8080/health"))?;
        // What stands in a request line is visible ASCII; a fragment is not sent.
        if !rest.bytes().all(|octet| octet.is_ascii_graphic()) || rest.contains('#') {
            return Err(wrong("visible ASCII without a fragment"));
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (ip, port) = host_and_port(host).ok_or_else(|| wrong("of an IP address or localhost"))?;
        let address =
            Address { socket: SocketAddr::new(ip, port.unwrap_or(80)), host: host.to_owned(), path };
        // With a `/` that was left out it may have become too long.
        if address.to_string().len() > LONGEST_ADDRESS {
            return Err(ValueError::TooLong(LONGEST_ADDRESS));
        }
        Ok(address)
    }

    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn tcp(text: &str) -> Result<Address, ValueError> {
        let wrong = || ValueError::Other {
            value: text.to_owned(),
            expected: "an IP address or localhost with a port, such as 127.0.0.1:5432",
        };
        let (ip, port) = host_and_port(text).ok_or_else(wrong)?;
        let socket = SocketAddr::new(ip, port.ok_or_else(wrong)?);
        Ok(Address { socket, host: text.to_owned(), path: String::new() })
    }

    /// The request.
    pub fn request(&self) -> String {
        let Address { host, path, .. } = self;
        let agent = concat!("perigee/", env!("CARGO_PKG_VERSION"));
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.path.is_empty() { "" } else { "http://" };
        write!(f, "{scheme}{}{}", self.host, self.path)
    }
}

fn host_and_port(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let ip = IpAddr::V6(host.parse::<Ipv6Addr>().ok()?);
            return Some((ip, if port.is_empty() { None } else { Some(number(port.strip_prefix(':')?)?) }));
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let ip = if host == "localhost" { Ipv4Addr::LOCALHOST } else { host.parse().ok()? };
    let port = match port {
        Some(port) => Some(number(port)?),
        None => None,
    };
    Some((IpAddr::V4(ip), port))
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Its first line is not that of an answer.
    #[error("the answer is not HTTP/1")]
    NotHttp,
    /// There is no status within [`LONGEST_HEAD`] octets.
    #[error("no status within {LONGEST_HEAD} octets")]
    TooLong,
}

/// The status of an answer, as soon as enough of it is there; those that only tell of another one to come are passed
/// over.
///
/// # Errors
/// It is no answer, or its status stands too far behind.
pub fn status(answer: &[u8]) -> Result<Option<u16>, HttpError> {
    let head = &answer[..answer.len().min(LONGEST_HEAD)];
    let missing = || if answer.len() >= LONGEST_HEAD { Err(HttpError::TooLong) } else { Ok(None) };
    let mut rest = head;
    loop {
        let Some(end) = rest.iter().position(|octet| *octet == b'\n') else {
            // What begins otherwise need not be waited for.
            let begins = b"HTTP/1.";
            let length = rest.len().min(begins.len());
            return if rest[..length] == begins[..length] { missing() } else { Err(HttpError::NotHttp) };
        };
        let code = status_line(&rest[..end]).ok_or(HttpError::NotHttp)?;
        if !(100..200).contains(&code) {
            return Ok(Some(code));
        }
        // Its other lines, up to an empty one.
        loop {
            let Some(end) = rest.iter().position(|octet| *octet == b'\n') else { return missing() };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = &rest[end + 1..];
            if line.is_empty() {
                break;
            }
        }
    }
}

/// RFC 9112, 4: `HTTP/1.x SP 3DIGIT SP [reason]`; servers that leave out the last space are understood.
fn status_line(line: &[u8]) -> Option<u16> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let [minor, b' ', a, b, c, after @ ..] = rest else { return None };
    let digits = [minor, a, b, c].iter().all(|octet| octet.is_ascii_digit());
    let ends = after.is_empty() || after[0] == b' ';
    let value = |octet: &u8| u16::from(octet - b'0');
    let code = digits.then(|| value(a) * 100 + value(b) * 10 + value(c)).filter(|_| ends)?;
    (100..=999).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, socket, path) in [
            ("http://127.0.0.1:8090/health", "127.0.0.1:8090", "/health"),
            ("http://localhost", "127.0.0.1:80", "/"),
            ("http://[::1]:81?deep=1", "[::1]:81", "/?deep=1"),
            ("http://[::1]/", "[::1]:80", "/"),
            ("http://10.0.0.1/a?b=/c", "10.0.0.1:80", "/a?b=/c"),
        ] {
            let address = Address::http(text).expect(text);
            assert_eq!(
                (address.socket.to_string().as_str(), address.path.as_str()),
                (socket, path),
                "{text}"
            );
        }
        for text in [
            "127.0.0.1",
            "https://127.0.0.1/",
            "http://",
            "http://beacon/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:/",
            "http://127.0.0.1:+1/",
            "http://127.0.0.1:65536/",
            "http://[::1/",
            "http://[::1]x/",
            "http://a@127.0.0.1/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\u{e9}",
            "http://127.0.0.1/#a",
            "http://127.0.0.1/\r\nX: y",
        ] {
            assert!(Address::http(text).is_err(), "{text}");
        }
        assert_eq!(
            Address::tcp("localhost:22").map(|address| address.socket),
            Ok(SocketAddr::from(([127, 0, 0, 1], 22)))
        );
        assert_eq!(Address::tcp("[::1]:22").map(|address| address.to_string()).as_deref(), Ok("[::1]:22"));
        for text in ["localhost", "[::1]", "22", ":22", "127.0.0.1:0", "127.0.0.1:22/x", ""] {
            assert!(Address::tcp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_as_long_as_it_is_shown() {
        let of_length =
            |length: usize| format!("http://[::1]?{}", "x".repeat(length - "http://[::1]?".len()));
        assert_eq!(Address::http(&of_length(LONGEST_ADDRESS)), Err(ValueError::TooLong(LONGEST_ADDRESS)));
        let longest = Address::http(&of_length(LONGEST_ADDRESS - 1)).expect("an address");
        assert_eq!(Address::http(&longest.to_string()), Ok(longest));
    }

    #[test]
    fn the_request_names_the_host_as_it_was_written() {
        let request = Address::http("http://localhost:8080/a?b").expect("an address").request();
        assert!(
            request.starts_with("GET /a?b HTTP/1.1\r\nHost: localhost:8080\r\n")
                && request.ends_with("\r\n\r\n")
        );
    }

    #[test]
    fn answers() {
        let long = [b"HTTP/1.1 100 Continue\r\n".as_slice(), &[b'x'; LONGEST_HEAD]].concat();
        for (answer, expected) in [
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody".as_slice(), Ok(Some(200))),
            (b"HTTP/1.0 503\r\n", Ok(Some(503))),
            (b"HTTP/1.1 204 \n", Ok(Some(204))),
            (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 301 Moved\r\n", Ok(Some(301))),
            (b"HTTP/1.1 100 Continue\r\n\r\n", Ok(None)),
            (b"HTTP/1.1 200 O", Ok(None)),
            (b"HTT", Ok(None)),
            (b"", Ok(None)),
            (b"SSH-2.0", Err(HttpError::NotHttp)),
            (b"HTTP/2 200\r\n", Err(HttpError::NotHttp)),
            (b"HTTP/1.1 2000\r\n", Err(HttpError::NotHttp)),
            (b"HTTP/1.1 20\r\n", Err(HttpError::NotHttp)),
            (b"HTTP/1.1 099 x\r\n", Err(HttpError::NotHttp)),
            (b"\r\nHTTP/1.1 200 OK\r\n", Err(HttpError::NotHttp)),
            (&long, Err(HttpError::TooLong)),
        ] {
            assert_eq!(
                status(answer),
                expected,
                "{}",
                String::from_utf8_lossy(&answer[..answer.len().min(40)])
            );
        }
    }
}
