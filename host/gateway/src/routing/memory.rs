//! The memory that queued messages may take (`runtime.queue_memory`, `ocpp.queue_memory`).
//!
//! Half of each is for messages from charge points, half for messages to them. With a shared limit, CALLs that wait for
//! a charge point could block reading the answers that they wait for.

use crate::config::Config;
use crate::operations::metrics::collect::{collector, write_family};
use crate::operations::names;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::{MemoryAccount, MemoryPool};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;

/// The memory for queued messages of all charge points.
#[derive(Debug, Clone)]
pub struct QueueMemory {
    /// Messages from charge points: those that are arriving, and those that wait for the broker.
    pub uplink: Arc<MemoryPool>,
    /// Messages to charge points: those that wait for them, and undeliverable ones until they are reported.
    pub downlink: Arc<MemoryPool>,
    /// Limit in bytes for one charge point in one direction.
    per_charge_point: usize,
}

impl QueueMemory {
    pub fn new(config: &Config) -> Self {
        let half = config.runtime.queue_memory.get() / 2;
        let (uplink, downlink) = (MemoryPool::new(half), MemoryPool::new(half));
        QueueMemory { uplink, downlink, per_charge_point: config.ocpp.queue_memory.get() / 2 }
    }

    /// A new account for one charge point.
    pub fn account(&self, direction: Direction) -> Arc<MemoryAccount> {
        MemoryAccount::new(Arc::clone(self.pool(direction)), self.per_charge_point)
    }

    /// A new account, a quarter of the pool, for messages that belong to no connected charge point.
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

    /// Metrics of the memory in use.
    pub fn metrics(&self) -> Box<dyn Collector> {
        let this = self.clone();
        collector(move |encoder| {
            let help = "Memory that queued messages take, as runtime.queue_memory counts it";
            let used = names::DIRECTIONS.map(|direction| {
                ([("direction", names::direction(direction))], ConstGauge::new(this.pool(direction).used()))
            });
            write_family(encoder, "queue_memory_bytes", help, used)
        })
    }
}
