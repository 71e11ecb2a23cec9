//! Reports the state of the gateway to a service manager (sd_notify(3)).
//!
//! The crate `sd-notify` (0.5) does not support sockets of the abstract namespace, which sd_notify(3) allows.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use tracing::warn;

/// A state that is reported to the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// The gateway listens.
    Ready,
    Stopping,
}

/// Reports a state, if there is a service manager (`NOTIFY_SOCKET`).
pub fn notify(state: ServiceState) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        warn!("cannot notify the service manager: {error}");
    }
}

fn send(socket: &OsStr, state: ServiceState) -> io::Result<()> {
    let address = match socket.as_bytes() {
        // `@` marks a name in the abstract namespace.
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

    fn received(socket: &UnixDatagram) -> String {
        let mut text = [0; 64];
        let length = socket.recv(&mut text).expect("something");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn socket_in_the_file_system_is_notified() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        send(path.as_os_str(), ServiceState::Ready).expect("sent");
        assert_eq!(received(&socket), "READY=1");
    }

    #[test]
    fn abstract_socket_is_notified() {
        let name = format!("ocpp-gateway-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");
        send(OsStr::new(&format!("@{name}")), ServiceState::Stopping).expect("sent");
        assert_eq!(received(&socket), "STOPPING=1");
    }

    #[test]
    fn missing_socket_is_an_error() {
        assert!(send(OsStr::new("/nowhere/at/all"), ServiceState::Ready).is_err());
    }
}
