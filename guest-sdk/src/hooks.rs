//! What a transform can do: a trait per hook.

use crate::types::{
    Attributes, CallError, Decision, Frame, FrameAction, Offer, Peer, Publish, PublishAction, Refusal, Rule,
    TopicFilter,
};

/// Every transform: made from its configuration, before anything else is called.
///
/// ```
/// use ocpp_transform::Transform;
///
/// struct Prefix(String);
///
/// impl Transform for Prefix {
///     fn configure(config: &str) -> Result<Self, String> {
///         if config.len() > 1000 { return Err("the configuration is too long".into()) }
///         Ok(Prefix(config.to_owned()))
///     }
/// }
///
/// assert!(Prefix::configure("{}").is_ok());
/// ```
pub trait Transform: Sized + 'static {
    /// `config` is JSON text of an object: `[transforms.config]` of the gateway's configuration, `{}` if absent. An
    /// error keeps this version from going live. It should name the wrong key and say what is right.
    fn configure(config: &str) -> Result<Self, String>;

    /// What the transform reports about itself besides name and version, after [`configure`](Transform::configure).
    /// Nothing, unless implemented. The gateway knows `hooks`: the hooks in use, separated by spaces, if the
    /// configuration decides on them.
    ///
    /// ```
    /// use ocpp_transform::{Attributes, Transform};
    ///
    /// struct Script(String);
    ///
    /// impl Transform for Script {
    ///     fn configure(config: &str) -> Result<Self, String> {
    ///         Ok(Script(config.to_owned()))
    ///     }
    ///
    ///     fn attributes(&self) -> Attributes {
    ///         vec![("hooks".into(), if self.0.contains("uplink") { "uplink" } else { "" }.into())]
    ///     }
    /// }
    ///
    /// let script = Script::configure("uplink").expect("a script");
    /// assert_eq!(script.attributes(), [("hooks".to_owned(), "uplink".to_owned())]);
    /// ```
    fn attributes(&self) -> Attributes {
        Attributes::new()
    }
}

/// Converts between frames and MQTT messages. Exactly one transform of a chain does this.
///
/// ```
/// use ocpp_transform::{Frame, FrameType, Mapping, Peer, Publish, Refusal, TopicFilter, Transform, export};
///
/// struct Raw;
///
/// impl Transform for Raw {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(Raw)
///     }
/// }
///
/// impl Mapping for Raw {
///     fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
///         vec![TopicFilter { filter: format!("down/{}/+", peer.id), qos: 1 }]
///     }
///
///     fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
///         Ok(vec![Publish::new(format!("up/{}/{}", peer.id, frame.id), frame.payload)])
///     }
///
///     fn from_mqtt(&self, _peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
///         let id = message.topic.rsplit('/').next().unwrap_or_default().to_owned();
///         let payload = String::from_utf8(message.payload)
///             .map_err(|_| Refusal::new("FormatViolation", "the payload is not UTF-8"))?;
///         Ok(vec![Frame::new(FrameType::CallResult, id, None, payload)])
///     }
/// }
///
/// export!(Raw: Mapping);
/// # fn main() {}
/// ```
pub trait Mapping: Transform {
    /// The topic filters whose messages are for this charge point. Called when it connects, and after a hot swap.
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter>;

    /// Every frame from the charge point, and every error that the gateway reports about one (attribute `origin` =
    /// `gateway`). The topics must be free of wildcards.
    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal>;

    /// Every MQTT message for this charge point. The refusal of a message whose id could be read should carry it in
    /// its details, as `{"UniqueId":"…"}`, so that the gateway can report against it.
    #[allow(clippy::wrong_self_convention)] // It is the name in the WIT package.
    fn from_mqtt(&self, peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal>;
}

/// Frames from the charge point, before the mapping.
///
/// ```
/// use ocpp_transform::{Frame, FrameAction, Peer, Transform, Uplink, export};
///
/// /// Answers the messages of vendors instead of passing them on.
/// struct NoDataTransfer;
///
/// impl Transform for NoDataTransfer {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(NoDataTransfer)
///     }
/// }
///
/// impl Uplink for NoDataTransfer {
///     fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
///         match frame.action.as_deref() {
///             Some("DataTransfer") => vec![FrameAction::Reply(r#"{"status":"UnknownVendorId"}"#.into())],
///             _ => vec![FrameAction::Pass],
///         }
///     }
/// }
///
/// export!(NoDataTransfer: Uplink);
/// # fn main() {}
/// ```
pub trait Uplink: Transform {
    /// What to do with the frame, in this order. An empty list drops it.
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction>;
}

/// Frames to the charge point, after the mapping.
///
/// ```
/// use ocpp_transform::{CallError, Downlink, Frame, FrameAction, Peer, Transform, export};
///
/// /// Rejects remote resets.
/// struct NoReset;
///
/// impl Transform for NoReset {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(NoReset)
///     }
/// }
///
/// impl Downlink for NoReset {
///     fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
///         match frame.action.as_deref() {
///             Some("Reset") => vec![FrameAction::Reject(CallError {
///                 code: "SecurityError".into(),
///                 description: "no remote resets".into(),
///                 details: "{}".into(),
///             })],
///             _ => vec![FrameAction::Pass],
///         }
///     }
/// }
///
/// export!(NoReset: Downlink);
/// # fn main() {}
/// ```
pub trait Downlink: Transform {
    /// What to do with the frame, in this order. An empty list drops it.
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction>;
}

/// Messages that are about to be published.
///
/// ```
/// use ocpp_transform::{Outbound, Peer, Publish, PublishAction, Transform, export};
///
/// struct Region;
///
/// impl Transform for Region {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(Region)
///     }
/// }
///
/// impl Outbound for Region {
///     fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
///         vec![PublishAction::Replace(Publish { topic: format!("eu/{}", message.topic), ..message })]
///     }
/// }
///
/// export!(Region: Outbound);
/// # fn main() {}
/// ```
pub trait Outbound: Transform {
    /// What to do with the message, in this order. An empty list drops it.
    fn handle(&self, peer: &Peer, message: Publish) -> Vec<PublishAction>;
}

/// Messages that were received, before the mapping. Empty ones are left out. A message that was retained, or whose
/// charge point is not connected, is not sent to it: it passes through the hook only to find out what to report to its
/// sender.
///
/// ```
/// use ocpp_transform::{Inbound, Peer, Publish, PublishAction, Transform, export};
///
/// /// Drops the messages without JSON with which some back ends check the connection.
/// struct NoPings;
///
/// impl Transform for NoPings {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(NoPings)
///     }
/// }
///
/// impl Inbound for NoPings {
///     fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
///         if message.payload == b"ping" {
///             return vec![PublishAction::Drop("a ping".into())];
///         }
///         vec![PublishAction::Pass]
///     }
/// }
///
/// export!(NoPings: Inbound);
/// # fn main() {}
/// ```
pub trait Inbound: Transform {
    /// What to do with the message, in this order. An empty list drops it.
    fn handle(&self, peer: &Peer, message: Publish) -> Vec<PublishAction>;
}

/// Whether a charge point may connect. Called last, after all checks of the gateway itself.
///
/// ```
/// use ocpp_transform::{Acceptance, Admission, Decision, Offer, Rejection, Transform, export};
///
/// struct Known;
///
/// impl Transform for Known {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(Known)
///     }
/// }
///
/// impl Admission for Known {
///     fn admit(&self, offer: Offer) -> Decision {
///         if offer.id.starts_with("ACME-") {
///             return Decision::Accept(Acceptance { attributes: vec![("vendor".into(), "acme".into())] });
///         }
///         Decision::Refuse(Rejection { status: 403, reason: "not one of ours".into() })
///     }
/// }
///
/// export!(Known: Admission);
/// # fn main() {}
/// ```
pub trait Admission: Transform {
    /// Decides on the WebSocket upgrade. The attributes of an acceptance become the peer's.
    fn admit(&self, offer: Offer) -> Decision;
}

/// Charge points that connect and disconnect.
///
/// ```
/// use ocpp_transform::{Events, Peer, Publish, Transform, export};
///
/// struct Presence;
///
/// impl Transform for Presence {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(Presence)
///     }
/// }
///
/// impl Events for Presence {
///     fn connected(&self, peer: &Peer) -> Vec<Publish> {
///         vec![Publish { retain: true, ..Publish::new(format!("presence/{}", peer.id), "online") }]
///     }
/// }
///
/// export!(Presence: Events);
/// # fn main() {}
/// ```
pub trait Events: Transform {
    /// What to publish when a charge point has connected. Nothing, unless implemented.
    fn connected(&self, _peer: &Peer) -> Vec<Publish> {
        Vec::new()
    }

    /// What to publish when a charge point has disconnected. Nothing, unless implemented.
    fn disconnected(&self, _peer: &Peer, _reason: &str) -> Vec<Publish> {
        Vec::new()
    }
}

/// Rules that extend or replace the gateway's own schemas.
///
/// ```
/// use ocpp_transform::{CallError, Frame, Peer, Transform, Validation, export};
///
/// struct ShortIds;
///
/// impl Transform for ShortIds {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(ShortIds)
///     }
/// }
///
/// impl Validation for ShortIds {
///     fn check(&self, _peer: &Peer, frame: &Frame) -> Option<CallError> {
///         (frame.payload.len() > 10_000).then(|| CallError {
///             code: "PropertyConstraintViolation".into(),
///             description: "more than 10 kB".into(),
///             details: "{}".into(),
///         })
///     }
/// }
///
/// export!(ShortIds: Validation);
/// # fn main() {}
/// ```
pub trait Validation: Transform {
    /// JSON Schemas that the gateway compiles and runs. None, unless implemented.
    ///
    /// They apply in addition to the published schemas, if the gateway is configured to check those. A schema with
    /// `"x-replaces": true` replaces the published one for the same payloads.
    fn schemas(&self) -> Vec<Rule> {
        Vec::new()
    }

    /// Checks that no schema can express. `None`, which is the default, accepts the frame.
    fn check(&self, _peer: &Peer, _frame: &Frame) -> Option<CallError> {
        None
    }
}
