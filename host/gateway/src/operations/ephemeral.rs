//! Ephemeral ports, which the system gives to outgoing connections (ip(7)). One of them may have the port of a
//! listener.

use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;

/// Text to add to an error of binding `port`: what may use it, and how to reserve it. Empty if the port is not in use,
/// not ephemeral, or reserved already.
pub(crate) fn hint(port: u16, error: &io::Error) -> String {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    let Some(range) = range(&read("ip_local_port_range")) else { return String::new() };
    if error.kind() != ErrorKind::AddrInUse || !range.contains(&port) || is_reserved(&read(RESERVED), port) {
        return String::new();
    }
    let (first, last) = range.into_inner();
    format!(
        ". Another program listens there, or an outgoing connection of any program uses the port: the system gives \
         them ports from {first} to {last}. `sysctl -w net.ipv4.{RESERVED}={port}` reserves this one"
    )
}

const RESERVED: &str = "ip_local_reserved_ports";

/// Reads a range such as `32768\t60999`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}

/// Whether `port` is in a list such as `8080,9148-9150`.
fn is_reserved(list: &str, port: u16) -> bool {
    list.trim().split(',').any(|entry| {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        first.parse().is_ok_and(|first: u16| first <= port) && last.parse().is_ok_and(|last: u16| port <= last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_lists_are_read() {
        assert_eq!(range("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(range(""), None);
        for (list, reserved) in
            [("", false), ("33033", true), ("8080,33000-33100\n", true), ("8080,33034-33100", false)]
        {
            assert_eq!(is_reserved(list, 33033), reserved, "{list}");
        }
    }

    #[test]
    fn only_a_port_in_use_has_a_hint() {
        assert_eq!(hint(33033, &ErrorKind::PermissionDenied.into()), "");
        assert_eq!(hint(80, &ErrorKind::AddrInUse.into()), "");
    }
}
