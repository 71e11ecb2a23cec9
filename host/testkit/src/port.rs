//! Reserved ports for servers that a test starts later.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

/// A loopback port that stays reserved for a server that a test starts later, stops and starts again. A port that is
/// merely free may meanwhile be assigned to another socket of this machine.
pub struct ReservedPort {
    socket: TcpSocket,
}

impl ReservedPort {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Servers set the same option, so they can bind the port beside this socket, which does not listen. The system
        // does not assign the port to other sockets.
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
