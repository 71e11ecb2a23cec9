//! Ports on which nobody listens yet.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

/// A loopback port that is kept for what a test starts on it later, or never: between two starts too. A port that was only free
/// a moment ago may by then have been given to another socket of this machine.
pub struct ReservedPort {
    socket: TcpSocket,
}

impl ReservedPort {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Programs that listen set the same option: so they may have the port beside this socket, which does not listen, while
        // the system gives it to nobody of its own accord.
        socket.set_reuseaddr(true).expect("a TCP option");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free loopback port");
        ReservedPort { socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }
}

impl Default for ReservedPort {
    fn default() -> Self {
        Self::new()
    }
}
