//! A broker inside the process, for a gateway that has no other.

use std::{net::SocketAddr, time::Duration};

use mqtt5::broker::{
    BrokerShutdownHandle, MqttBroker,
    config::{BrokerConfig, StorageBackend, StorageConfig},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long [`EmbeddedBroker::stop`] waits for clients to be told.
const GRACE: Duration = Duration::from_secs(2);

/// Why there is no embedded broker (any more).
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedBrokerError {
    #[error("the embedded MQTT broker cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("the embedded MQTT broker does not start: {0}")]
    Start(#[source] mqtt5::MqttError),
    #[error("the embedded MQTT broker failed: {0}")]
    Failed(#[source] mqtt5::MqttError),
    #[error("the embedded MQTT broker stopped unexpectedly")]
    Died,
}

/// An MQTT broker (3.1.1 and 5) that keeps everything in memory and lets anyone in: bind it to a loopback address.
pub struct EmbeddedBroker {
    local_addr: SocketAddr,
    shutdown: BrokerShutdownHandle,
    task: JoinHandle<mqtt5::Result<()>>,
}

impl EmbeddedBroker {
    /// Listens; port 0 takes a free one. Clients can connect when this returns.
    pub async fn start(address: SocketAddr) -> Result<Self, EmbeddedBrokerError> {
        // mqtt5 tells a port in use only by a long text, so look before it does.
        let probe = TcpListener::bind(address).await;
        drop(probe.map_err(|error| EmbeddedBrokerError::Listen { address, error })?);
        let mut broker = MqttBroker::with_config(config(address)).await.map_err(EmbeddedBrokerError::Start)?;
        let local_addr = broker.local_addr().unwrap_or(address);
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let mut task = tokio::spawn(async move { broker.run().await });
        let outcome = tokio::select! {
            _ = ready.wait_for(|ready| *ready) => None,
            outcome = &mut task => Some(outcome),
        };
        match outcome {
            None => Ok(EmbeddedBroker { local_addr, shutdown, task }),
            Some(Ok(Err(error))) => Err(EmbeddedBrokerError::Start(error)),
            Some(_) => Err(EmbeddedBrokerError::Died),
        }
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Resolves, with the reason, if the broker ends by itself. Dropping the future loses nothing.
    pub async fn failed(&mut self) -> EmbeddedBrokerError {
        match (&mut self.task).await {
            Ok(Err(error)) => EmbeddedBrokerError::Failed(error),
            Ok(Ok(())) | Err(_) => EmbeddedBrokerError::Died,
        }
    }

    /// Disconnects the clients and stops. What the broker held is gone.
    pub async fn stop(mut self) {
        self.shutdown.shutdown();
        if !self.task.is_finished() && tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

fn config(address: SocketAddr) -> BrokerConfig {
    BrokerConfig::default()
        .with_bind_addresses(vec![address])
        .with_storage(StorageConfig::default().with_backend(StorageBackend::Memory))
        .with_sys_topics_enabled(false)
}
