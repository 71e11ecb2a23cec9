//! Tells a service manager how the gateway is doing (sd_notify(3)).
//!
//! The crate `sd-notify` (0.5) does not know sockets of the abstract namespace, which sd_notify(3) allows.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use tracing::warn;

/// What a service manager wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// It listens.
    Ready,
    Stopping,
}

/// Tells it, if there is one that listens.
pub fn notify(state: ServiceState) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        warn!("the service manager cannot be told: {error}");
    }
}

fn send(socket: &OsStr, state: ServiceState) -> io::Result<()> {
    let address = match socket.as_bytes() {
        // A name that is in no file system is written with an @.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let text: &[u8] = match state {
        ServiceState::Ready => b"READY=1",
        ServiceState::Stopping => b"STOPPING=1",
    };
    UnixDatagram::unbound()?.send_to_addr(text, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut text = [0; 64];
        let length = socket.recv(&mut text).expect("something");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn a_socket_in_the_file_system_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        send(path.as_os_str(), ServiceState::Ready).expect("sent");
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn an_abstract_socket_is_told() {
        let name = format!("ocpp-gateway-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");
        send(OsStr::new(&format!("@{name}")), ServiceState::Stopping).expect("sent");
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[test]
    fn one_that_is_not_there_is_an_error_and_no_more() {
        assert!(send(OsStr::new("/nowhere/at/all"), ServiceState::Ready).is_err());
    }
}
