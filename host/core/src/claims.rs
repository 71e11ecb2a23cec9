//! Claims: which of several gateways holds a charge point.
//!
//! Each gateway publishes a claim when it accepts a charge point, and receives the claims of all others. The newest
//! claim wins: a gateway that receives a claim newer than its own closes its connection. Claims carry a number that
//! grows across all gateways (a hybrid logical clock): the time in milliseconds, or the newest number received plus
//! one, so that the latest claim wins even if its gateway's clock is slow. The broker stores nothing: a gateway that
//! receives an older claim repeats its own, and a gateway that was cut off from the broker repeats all of its claims.
//!
//! Numbers are serial numbers (RFC 1982): 0 follows the largest, and a number is newer than another if it is ahead of
//! it by less than half of the range. So every number can be followed by a newer one, even after a claim by a gateway
//! with a wrong clock or by another MQTT client: the next claim adds one, and numbers from the other half of the range
//! are old. Both gateways find the same one of two claims to be newer, so they do not contradict each other for ever.

use crate::Identity;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The largest integer that every JSON parser represents exactly.
const LARGEST: u64 = (1 << 53) - 1;

/// A number that is ahead of another by this much or more counts as older.
const HALF_RANGE: u64 = 1 << 52;

/// Whether `number` is newer than `other`. At a distance of exactly half of the range neither is newer.
fn is_newer(number: u64, other: u64) -> bool {
    // The range is a power of two, so the mask computes the remainder.
    let ahead = number.wrapping_sub(other) & LARGEST;
    (1..HALF_RANGE).contains(&ahead)
}

/// A statement of a gateway that it holds a charge point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    pub charge_point: String,
    /// The name of the gateway, which is unique.
    pub gateway: String,
    /// Decides which of two claims is newer: see the module's documentation. If neither number is newer, the claim of
    /// the gateway with the greater name is.
    pub number: u64,
}

impl Claim {
    /// Reads JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, BadClaim> {
        let claim: Claim = serde_json::from_slice(text)?;
        if claim.number > LARGEST { Err(BadClaim::Number(claim.number)) } else { Ok(claim) }
    }

    pub fn to_json(&self) -> String {
        // Two strings and a number always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a message is not a claim.
#[derive(Debug, thiserror::Error)]
pub enum BadClaim {
    #[error("not a claim: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not a claim: its number {0} is out of range")]
    Number(u64),
}

/// What to do about a claim that was received.
#[derive(Debug, PartialEq, Eq)]
pub enum ClaimDecision {
    /// Nothing: the claim is this gateway's own, or the charge point is not connected here.
    Nothing,
    /// Close this connection: the charge point has connected elsewhere since.
    Yield { connection: u32 },
    /// Publish this gateway's own claim again: the charge point has connected here since.
    Repeat(Claim),
}

/// The claims of one gateway to its charge points.
#[derive(Debug)]
pub struct Claims {
    gateway: String,
    /// The newest number so far, of all gateways.
    newest: u64,
    held: HashMap<Identity, OwnClaim>,
}

#[derive(Debug)]
struct OwnClaim {
    connection: u32,
    number: u64,
}

impl Claims {
    pub fn new(gateway: impl Into<String>) -> Self {
        Claims { gateway: gateway.into(), newest: 0, held: HashMap::new() }
    }

    /// A charge point was accepted: makes the claim to publish. `now` is in milliseconds since 1970.
    pub fn add(&mut self, identity: &Identity, connection: u32, now: u64) -> Claim {
        let now = now & LARGEST;
        let number = if is_newer(now, self.newest) { now } else { (self.newest + 1) & LARGEST };
        self.newest = number;
        self.held.insert(identity.clone(), OwnClaim { connection, number });
        self.claim(identity, number)
    }

    /// A connection has ended. The claim of a later connection stays.
    pub fn remove(&mut self, identity: &Identity, connection: u32) {
        if self.held.get(identity).is_some_and(|held| held.connection == connection) {
            self.held.remove(identity);
        }
    }

    pub fn receive(&mut self, claim: &Claim) -> ClaimDecision {
        if is_newer(claim.number, self.newest) {
            self.newest = claim.number;
        }
        if claim.gateway == self.gateway {
            return ClaimDecision::Nothing;
        }
        let Some((identity, held)) = self.held.get_key_value(claim.charge_point.as_str()) else {
            return ClaimDecision::Nothing;
        };
        let OwnClaim { connection, number } = *held;
        let is_older = is_newer(number, claim.number);
        if is_older || !is_newer(claim.number, number) && claim.gateway < self.gateway {
            return ClaimDecision::Repeat(self.claim(identity, number));
        }
        self.held.remove(claim.charge_point.as_str());
        ClaimDecision::Yield { connection }
    }

    /// All charge points that this gateway holds.
    pub fn held(&self) -> Vec<Identity> {
        self.held.keys().cloned().collect()
    }

    /// The claim to a charge point, if this gateway (still) holds it.
    pub fn repeat(&self, identity: &Identity) -> Option<Claim> {
        self.held.get(identity).map(|held| self.claim(identity, held.number))
    }

    fn claim(&self, identity: &Identity, number: u64) -> Claim {
        Claim { charge_point: identity.to_string(), gateway: self.gateway.clone(), number }
    }
}

#[cfg(test)]
mod tests;
