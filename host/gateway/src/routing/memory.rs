//! The memory that queued messages may take (`runtime.queue_memory`, `ocpp.queue_memory`).
//!
//! Half of each is for messages from charge points, half for those to them: otherwise CALLs that wait for a charge point could
//! keep its answers from being read, which they wait for.

use crate::config::Config;
use crate::operations::names;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::{MemoryAccount, MemoryPool};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::sync::Arc;

/// All of it.
#[derive(Debug, Clone)]
pub struct QueueMemory {
    /// From charge points: what is being received, and what waits for the broker.
    pub uplink: Arc<MemoryPool>,
    /// To them: what waits for them, and messages that did not reach them, while they are reported.
    pub downlink: Arc<MemoryPool>,
    /// Of one charge point, in one direction.
    per_charge_point: usize,
}

impl QueueMemory {
    pub fn new(config: &Config) -> Self {
        let half = config.runtime.queue_memory.get() / 2;
        let (uplink, downlink) = (MemoryPool::new(half), MemoryPool::new(half));
        QueueMemory { uplink, downlink, per_charge_point: config.ocpp.queue_memory.get() / 2 }
    }

    /// For one charge point.
    pub fn account(&self, direction: Direction) -> Arc<MemoryAccount> {
        MemoryAccount::new(Arc::clone(self.pool(direction)), self.per_charge_point)
    }

    /// For what belongs to no charge point.
    pub fn common_account(&self, direction: Direction) -> Arc<MemoryAccount> {
        let pool = self.pool(direction);
        MemoryAccount::new(Arc::clone(pool), pool.limit() / 4)
    }

    pub fn pool(&self, direction: Direction) -> &Arc<MemoryPool> {
        match direction {
            Direction::Uplink => &self.uplink,
            Direction::Downlink => &self.downlink,
        }
    }
}

/// What of it is in use.
impl Collector for QueueMemory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Memory that queued messages take, as runtime.queue_memory counts it";
        let mut family = encoder.encode_descriptor("queue_memory_bytes", help, None, MetricType::Gauge)?;
        for direction in [Direction::Uplink, Direction::Downlink] {
            let labels = [("direction", names::direction(direction))];
            let used = i64::try_from(self.pool(direction).used()).unwrap_or(i64::MAX);
            family.encode_family(&labels)?.encode_gauge(&used)?;
        }
        Ok(())
    }
}
