//! Where a socket listens, as `ListenStream=` and the others write it: a path, `@name`, a port, `1.2.3.4:80`,
//! `[::1]:80%lo`, `vsock:2:1024`, `kobject-uevent 1`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Path(String),
    /// A socket in the abstract name space.
    Abstract(String),
    /// A port of every address.
    Port(u16),
    /// An address and a port; the interface of an IPv6 address, by name or number.
    Internet(SocketAddr, Option<String>),
    /// A port of a virtual machine's own network; the machine is any where none is named.
    Vsock(Option<u32>, u32),
}

/// The longest path of a socket, unix(7), without the octet at its end.
const LONGEST_PATH: usize = 107;

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is none, in words.
    pub fn parse(text: &str) -> Result<Address, &'static str> {
        let port = |text: &str| match text.parse::<u16>() {
            Ok(0) | Err(_) => Err("the port is no number from 1 to 65535"),
            Ok(port) => Ok(port),
        };
        if text.starts_with('/') {
            return match text.len() <= LONGEST_PATH {
                true => Ok(Address::Path(text.to_owned())),
                false => Err("the path of a socket has 107 octets at most"),
            };
        }
        if let Some(name) = text.strip_prefix('@') {
            return match name.is_empty() || name.len() > LONGEST_PATH {
                true => Err("the name of an abstract socket has 1 to 107 octets"),
                false => Ok(Address::Abstract(name.to_owned())),
            };
        }
        if let Some(rest) = text.strip_prefix("vsock:") {
            let wrong = "it is not vsock:CID:PORT";
            let (cid, port) = rest.split_once(':').ok_or(wrong)?;
            let cid = match cid {
                "" => None,
                cid => Some(cid.parse().map_err(|_| wrong)?),
            };
            return Ok(Address::Vsock(cid, port.parse().map_err(|_| wrong)?));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once("]:").ok_or("it is not [ADDRESS]:PORT")?;
            let (number, interface) = match rest.split_once('%') {
                Some((number, interface)) if !interface.is_empty() => (number, Some(interface.to_owned())),
                Some(_) => return Err("no interface stands after the percent sign"),
                None => (rest, None),
            };
            let host: Ipv6Addr = host.parse().map_err(|_| "it is no IPv6 address")?;
            let address = SocketAddrV6::new(host, port(number)?, 0, 0);
            return Ok(Address::Internet(SocketAddr::V6(address), interface));
        }
        if let Some((host, number)) = text.rsplit_once(':') {
            let host: Ipv4Addr = host.parse().map_err(|_| "it is no IPv4 address and no [IPv6 address]")?;
            return Ok(Address::Internet(SocketAddr::new(IpAddr::V4(host), port(number)?), None));
        }
        port(text).map(Address::Port)
    }

    /// The path of a socket in the file system.
    pub fn path(&self) -> Option<&str> {
        match self {
            Address::Path(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => f.write_str(path),
            Address::Abstract(name) => write!(f, "@{name}"),
            Address::Port(port) => write!(f, "{port}"),
            Address::Internet(address, None) => write!(f, "{address}"),
            Address::Internet(address, Some(interface)) => write!(f, "{address}%{interface}"),
            Address::Vsock(Some(cid), port) => write!(f, "vsock:{cid}:{port}"),
            Address::Vsock(None, port) => write!(f, "vsock::{port}"),
        }
    }
}

/// A family and a group of netlink(7): `kobject-uevent 1`. The group is 0 where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netlink {
    /// The number of the family.
    pub family: i32,
    /// Multicast groups, a bit for each.
    pub groups: u32,
}

/// Families of netlink, by the names that systemd has for them.
const FAMILIES: [(&str, i32); 18] = [
    ("route", 0),
    ("firewall", 3),
    ("inet-diag", 4),
    ("nflog", 5),
    ("xfrm", 6),
    ("selinux", 7),
    ("iscsi", 8),
    ("audit", 9),
    ("fib-lookup", 10),
    ("connector", 11),
    ("netfilter", 12),
    ("ip6-fw", 13),
    ("dnrtmsg", 14),
    ("kobject-uevent", 15),
    ("generic", 16),
    ("scsitransport", 18),
    ("ecryptfs", 19),
    ("rdma", 20),
];

impl Netlink {
    /// Reads a family and a group.
    ///
    /// # Errors
    /// What is none, in words.
    pub fn parse(text: &str) -> Result<Netlink, &'static str> {
        let mut words = text.split_whitespace();
        let family = words.next().unwrap_or_default();
        let known = FAMILIES.iter().find(|(name, _)| *name == family).map(|(_, number)| *number);
        let number = known.or_else(|| family.parse().ok().filter(|number| (0..32).contains(number)));
        let groups = words.next().map_or(Ok(0), str::parse);
        match (number, groups, words.next()) {
            (Some(family), Ok(groups), None) => Ok(Netlink { family, groups }),
            _ => Err("it is no family of netlink and a group"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_kind() {
        for text in [
            "/run/x.sock",
            "@abstract/name",
            "80",
            "127.0.0.1:8080",
            "[::1]:443",
            "[fe80::1]:443%eth0",
            "vsock:2:1024",
            "vsock::1024",
        ] {
            let address = Address::parse(text);
            assert_eq!(address.map(|address| address.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("/{}", "x".repeat(107));
        for text in [
            "",
            "@",
            "0",
            "65536",
            "-1",
            "http",
            "1.2.3.4",
            "1.2.3:80",
            "1.2.3.4:0",
            "::1:80",
            "[::1]",
            "[::1]:",
            "[1.2.3.4]:80",
            "[::1]:80%",
            "vsock:",
            "vsock:2",
            "vsock:x:1",
            "localhost:80",
            &long,
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn netlink() {
        assert_eq!(Netlink::parse("kobject-uevent 1"), Ok(Netlink { family: 15, groups: 1 }));
        assert_eq!(Netlink::parse("route"), Ok(Netlink { family: 0, groups: 0 }));
        for text in ["", "nothing", "route x", "route 1 2", "99"] {
            assert!(Netlink::parse(text).is_err(), "{text}");
        }
    }
}
