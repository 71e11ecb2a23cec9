//! The records of the WIT package, and short ways to make them.

pub use crate::bindings::ocpp_gateway::transform::types::{
    Acceptance, Attributes, CallError, Decision, ErrorHead, Frame, FrameAction, FrameType, Info, Offer, Peer, Publish,
    PublishAction, Refusal, Rejection, Rule, TopicFilter,
};

/// The longest message id that the gateway passes on and accepts, in characters. OCPP-J 1.6 section 4.1.4 allows 36,
/// which the gateway enforces for CALLs to a charge point. Charge points of 1.6 send longer ones, and the answers
/// repeat them.
pub const MAX_MESSAGE_ID: usize = 255;

impl FrameType {
    /// The number on the wire, 2 to 6.
    ///
    /// ```
    /// assert_eq!(ocpp_transform::FrameType::CallResult.number(), 3);
    /// ```
    pub fn number(self) -> u8 {
        match self {
            FrameType::Call => 2,
            FrameType::CallResult => 3,
            FrameType::CallError => 4,
            FrameType::CallResultError => 5,
            FrameType::Send => 6,
        }
    }

    /// The type with this number on the wire, if there is one.
    ///
    /// ```
    /// use ocpp_transform::FrameType;
    /// assert_eq!(FrameType::from_number(6), Some(FrameType::Send));
    /// assert_eq!(FrameType::from_number(1), None);
    /// ```
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            2 => Some(FrameType::Call),
            3 => Some(FrameType::CallResult),
            4 => Some(FrameType::CallError),
            5 => Some(FrameType::CallResultError),
            6 => Some(FrameType::Send),
            _ => None,
        }
    }
}

impl Frame {
    /// A frame without error head and attributes. `payload` is JSON text of an object; a CALL or SEND needs an action.
    ///
    /// ```
    /// use ocpp_transform::{Frame, FrameType};
    /// let heartbeat = Frame::new(FrameType::Call, "17", Some("Heartbeat".into()), "{}");
    /// assert_eq!(heartbeat.payload, "{}");
    /// ```
    pub fn new(type_: FrameType, id: impl Into<String>, action: Option<String>, payload: impl Into<String>) -> Self {
        Frame { type_, id: id.into(), action, payload: payload.into(), error: None, attributes: Attributes::new() }
    }
}

impl Publish {
    /// A message with QoS 1, not retained.
    ///
    /// ```
    /// let audit = ocpp_transform::Publish::new("audit/CP1", r#"{"seen":true}"#);
    /// assert_eq!((audit.qos, audit.retain), (1, false));
    /// ```
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Publish {
            topic: topic.into(),
            payload: payload.into(),
            qos: 1,
            retain: false,
            properties: Attributes::new(),
            attributes: Attributes::new(),
        }
    }
}

impl Refusal {
    /// A refusal without details. `code` is an OCPP error code.
    ///
    /// ```
    /// let no = ocpp_transform::Refusal::new("FormatViolation", "Payload is missing");
    /// assert_eq!(no.details, "{}");
    /// ```
    pub fn new(code: impl Into<String>, description: impl Into<String>) -> Self {
        Refusal { code: code.into(), description: description.into(), details: "{}".into() }
    }
}
