//! Which of several gateways has a charge point.
//!
//! Each gateway publishes a claim when it lets a charge point in, and hears those of all others. The newest claim wins:
//! a gateway that hears one that is newer than its own closes its connection. Claims carry a number that grows over all
//! gateways (a hybrid logical clock): the time in milliseconds, or one more than the newest number heard so far, so
//! that a clock that is slow does not lose what came last. Nothing has to be kept by the broker: a gateway that hears an
//! older claim than its own repeats its own, and one that was cut off repeats all of its claims.
//!
//! Numbers are serial numbers (RFC 1982): after the largest comes 0, and of two numbers that one is newer which is ahead of
//! the other by less than half of the range. So there is no last number which nothing can follow, whatever a gateway with a
//! wrong clock, or somebody who is none, has claimed: the next claim is one more, and a claim from the other half of the
//! range is an old one. Of any two claims both sides find the same one to be newer, so that they do not go on contradicting
//! each other.

use crate::Identity;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The largest integer that every reader of JSON takes for what it is.
const LARGEST: u64 = (1 << 53) - 1;

/// From here on a number that is ahead of another is taken to be behind it.
const HALF_RANGE: u64 = 1 << 52;

/// Whether `number` comes after `other`. At exactly half of the range neither comes after the other.
fn is_newer(number: u64, other: u64) -> bool {
    // The range is a power of two: what does not fit into it is cut off.
    let ahead = number.wrapping_sub(other) & LARGEST;
    (1..HALF_RANGE).contains(&ahead)
}

/// "This charge point is with me."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    pub charge_point: String,
    /// The name of the gateway, different for each.
    pub gateway: String,
    /// Which of two claims is newer: see the module's documentation. Where their numbers do not tell, the claim of the gateway
    /// with the greater name counts as newer.
    pub number: u64,
}

impl Claim {
    /// Reads JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, BadClaim> {
        let claim: Claim = serde_json::from_slice(text)?;
        if claim.number > LARGEST { Err(BadClaim::Number(claim.number)) } else { Ok(claim) }
    }

    pub fn to_json(&self) -> String {
        // Two texts and a number: there is nothing in it that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a message is no claim.
#[derive(Debug, thiserror::Error)]
pub enum BadClaim {
    #[error("no claim: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no claim: {0} is no number that claims have")]
    Number(u64),
}

/// What to do about a claim that was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum ClaimDecision {
    /// Nothing: it is our own, or the charge point is not here.
    Nothing,
    /// The charge point has connected elsewhere after this connection: it ends here.
    Yield { connection: u32 },
    /// The charge point has connected here since: whoever claims it has to be told.
    Repeat(Claim),
}

/// The charge points that one gateway has, as far as others are concerned.
#[derive(Debug)]
pub struct Claims {
    gateway: String,
    /// The newest number so far, of any gateway.
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

    /// A charge point was let in. `now` is in milliseconds since 1970.
    pub fn enter(&mut self, identity: &Identity, connection: u32, now: u64) -> Claim {
        let now = now & LARGEST;
        let number = if is_newer(now, self.newest) { now } else { (self.newest + 1) & LARGEST };
        self.newest = number;
        self.held.insert(identity.clone(), OwnClaim { connection, number });
        self.claim(identity, number)
    }

    /// A connection is over. The claim of a later one stays.
    pub fn leave(&mut self, identity: &Identity, connection: u32) {
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

    /// All charge points that are here.
    pub fn held(&self) -> Vec<Identity> {
        self.held.keys().cloned().collect()
    }

    /// The claim to a charge point, if it is (still) here.
    pub fn repeat(&self, identity: &Identity) -> Option<Claim> {
        self.held.get(identity).map(|held| self.claim(identity, held.number))
    }

    fn claim(&self, identity: &Identity, number: u64) -> Claim {
        Claim { charge_point: identity.to_string(), gateway: self.gateway.clone(), number }
    }
}

#[cfg(test)]
mod tests;
