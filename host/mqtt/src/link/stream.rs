//! The transport to the broker: TCP, or TLS over TCP.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::error::LinkError;
use crate::options::Options;

/// TLS is boxed because it is ten times as large.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

pub(super) async fn connect(options: &Options) -> Result<Stream, LinkError> {
    let broker = &options.broker;
    // Before connecting, so that unusable files leave no unused connection at the broker.
    let connector = if broker.tls { Some(options.tls.connector()?) } else { None };
    let stream = TcpStream::connect((broker.host.as_str(), broker.port)).await?;
    stream.set_nodelay(true)?;
    let Some(connector) = connector else { return Ok(Either::Left(stream)) };
    let name = ServerName::try_from(broker.host.clone()).map_err(|error| LinkError::Tls(error.to_string()))?;
    let stream = connector.connect(name, stream).await.map_err(|error| LinkError::Tls(error.to_string()))?;
    Ok(Either::Right(Box::new(stream)))
}
