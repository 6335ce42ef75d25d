//! sd_notify(3): tells whoever has started this program that it is ready, that it stops, and that it lives. Without
//! `NOTIFY_SOCKET` nobody wants to know.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::Duration;

use perigee_init::control::SOCKET;

/// The program does its work from now on; `status` says in words how it is.
pub(crate) fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
}

/// The program has begun to stop.
pub(crate) fn stopping() {
    tell("STOPPING=1\nSTATUS=draining");
}

/// Says again and again that the program lives, twice as often as it must, for as long as tasks of the runtime run. It
/// ends at once if nobody watches.
pub(crate) async fn keep_alive() {
    let pid = env::var("WATCHDOG_PID").ok();
    let every = interval(pid.as_deref(), env::var("WATCHDOG_USEC").ok().as_deref());
    let Some(every) = every else { return };
    loop {
        tell("WATCHDOG=1");
        tokio::time::sleep(every).await;
    }
}

/// The folder of run-time files of the Perigee that has started this program, if it was one.
pub(crate) fn supervisor() -> Option<PathBuf> {
    let socket = PathBuf::from(env::var_os("NOTIFY_SOCKET")?);
    let folder = socket.parent()?;
    folder.join(SOCKET).exists().then(|| folder.to_owned())
}

/// Half of what the watchdog grants this process.
fn interval(pid: Option<&str>, microseconds: Option<&str>) -> Option<Duration> {
    let own = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let length = microseconds?.parse().ok().filter(|length| own && *length > 1)?;
    Some(Duration::from_micros(length) / 2)
}

fn tell(message: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return };
    // That nobody listens is no reason not to work.
    if let Err(error) = tell_to(name.as_bytes(), message) {
        tracing::warn!(target: "node", %error, "cannot tell the service manager");
    }
}

fn tell_to(name: &[u8], message: &str) -> std::io::Result<()> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_must_be() {
        let own = std::process::id().to_string();
        assert_eq!(interval(Some(&own), Some("3000000")), Some(Duration::from_millis(1500)));
        assert_eq!(interval(None, Some("20")), Some(Duration::from_micros(10)));
        for (pid, length) in [(Some("1"), Some("20")), (None, Some("0")), (None, Some("soon")), (None, None)]
        {
            assert_eq!(interval(pid, length), None, "{pid:?} {length:?}");
        }
    }

    #[test]
    fn both_kinds_of_names_are_reached() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let named = UnixDatagram::bind(&path).expect("a socket");
        let name = format!("perigee-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let hidden = UnixDatagram::bind_addr(&address).expect("a socket");
        for (socket, name) in [(named, path.as_os_str().as_bytes()), (hidden, format!("@{name}").as_bytes())]
        {
            tell_to(name, "READY=1").expect("sent");
            let mut buffer = [0; 16];
            let length = socket.recv(&mut buffer).expect("received");
            assert_eq!(&buffer[..length], b"READY=1");
        }
    }
}
