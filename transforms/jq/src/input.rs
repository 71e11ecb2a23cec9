//! What the filter of a hook gets.

use crate::read;
use bytes::Bytes;
use jaq_json::{Map, Val};
use ocpp_transform::{Attributes, Frame, FrameType, Offer, Peer, Publish};
use std::cell::RefCell;
use std::rc::Rc;

/// A frame as input, with what is needed to pass on what the program leaves as it is.
pub(crate) struct FrameInput {
    pub(crate) value: Val,
    /// The payload as it was written.
    pub(crate) payload: Bytes,
    pub(crate) attributes: Attributes,
}

/// A message as input, as [`FrameInput`].
pub(crate) struct MessageInput {
    pub(crate) value: Val,
    pub(crate) payload: Bytes,
    pub(crate) properties: Attributes,
    pub(crate) attributes: Attributes,
}

pub(crate) fn frame(charge_point: Val, frame: Frame) -> Result<FrameInput, String> {
    let payload = Bytes::from(frame.payload);
    let value = read::read_utf8(&payload).map_err(|error| format!("the payload cannot be read: {error}"))?;
    let mut object = object(8);
    set(&mut object, "charge_point", charge_point);
    set(&mut object, "type", fixed(type_name(frame.type_)));
    set(&mut object, "id", string(frame.id));
    set(&mut object, "action", frame.action.map_or(Val::Null, string));
    set(&mut object, "payload", value);
    if let Some(error) = frame.error {
        let mut head = self::object(2);
        set(&mut head, "code", string(error.code));
        set(&mut head, "description", string(error.description));
        set(&mut object, "error", Val::obj(head));
    }
    set(&mut object, "attributes", attributes(&frame.attributes));
    Ok(FrameInput { value: Val::obj(object), payload, attributes: frame.attributes })
}

pub(crate) fn message(charge_point: Val, message: Publish) -> MessageInput {
    let payload = Bytes::from(message.payload);
    let mut object = object(7);
    set(&mut object, "charge_point", charge_point);
    set(&mut object, "topic", string(message.topic));
    set(&mut object, "payload", message_payload(&payload));
    set(&mut object, "qos", Val::from(isize::from(i16::from(message.qos))));
    set(&mut object, "retain", Val::Bool(message.retain));
    set(&mut object, "properties", attributes(&message.properties));
    set(&mut object, "attributes", attributes(&message.attributes));
    MessageInput { value: Val::obj(object), payload, properties: message.properties, attributes: message.attributes }
}

/// JSON as what it is; other text as a string; other bytes as a byte string.
fn message_payload(payload: &Bytes) -> Val {
    match read::read(payload) {
        Ok(value) => value,
        Err(_) if std::str::from_utf8(payload).is_ok() => Val::utf8_str(payload.clone()),
        Err(_) => Val::byte_str(payload.clone()),
    }
}

/// For `connected` and `subscriptions`; with a reason for `disconnected`.
pub(crate) fn event(charge_point: Val, reason: Option<&str>) -> Val {
    let mut object = object(2);
    set(&mut object, "charge_point", charge_point);
    if let Some(reason) = reason {
        set(&mut object, "reason", string(reason.to_owned()));
    }
    Val::obj(object)
}

pub(crate) fn offer(offer: Offer) -> Val {
    let mut object = object(7);
    set(&mut object, "id", string(offer.id));
    set(&mut object, "remote_address", string(offer.remote_address));
    set(&mut object, "path", string(offer.path));
    set(&mut object, "protocols", Val::Arr(Rc::new(offer.protocols.into_iter().map(string).collect())));
    set(&mut object, "headers", attributes(&offer.headers));
    set(&mut object, "user", offer.user.map_or(Val::Null, string));
    set(&mut object, "attributes", attributes(&offer.attributes));
    Val::obj(object)
}

/// The charge points as values. The last one is kept, because one often sends many messages in a row.
#[derive(Default)]
pub(crate) struct ChargePoints {
    last: RefCell<Option<(Peer, Val)>>,
}

impl ChargePoints {
    pub(crate) fn value(&self, peer: &Peer) -> Val {
        let mut last = self.last.borrow_mut();
        if let Some((known, value)) = &*last
            && known.id == peer.id
            && known.protocol == peer.protocol
            && known.attributes == peer.attributes
        {
            return value.clone();
        }
        let value = charge_point(peer);
        *last = Some((peer.clone(), value.clone()));
        value
    }
}

fn charge_point(peer: &Peer) -> Val {
    let mut object = object(3);
    set(&mut object, "id", string(peer.id.clone()));
    set(&mut object, "protocol", known_protocol(&peer.protocol));
    set(&mut object, "attributes", attributes(&peer.attributes));
    Val::obj(object)
}

/// The protocol, without a copy of the text if it is one of those that exist.
fn known_protocol(protocol: &str) -> Val {
    match protocol {
        "ocpp1.6" => fixed("ocpp1.6"),
        "ocpp2.0.1" => fixed("ocpp2.0.1"),
        "ocpp2.1" => fixed("ocpp2.1"),
        other => string(other.to_owned()),
    }
}

/// If a name is there twice, the last value counts.
fn attributes(attributes: &Attributes) -> Val {
    let mut object = object(attributes.len());
    for (name, value) in attributes {
        object.insert(string(name.clone()), string(value.clone()));
    }
    Val::obj(object)
}

pub(crate) fn type_name(type_: FrameType) -> &'static str {
    match type_ {
        FrameType::Call => "CALL",
        FrameType::CallResult => "CALLRESULT",
        FrameType::CallError => "CALLERROR",
        FrameType::CallResultError => "CALLRESULTERROR",
        FrameType::Send => "SEND",
    }
}

pub(crate) fn type_of(name: &str) -> Option<FrameType> {
    let types =
        [FrameType::Call, FrameType::CallResult, FrameType::CallError, FrameType::CallResultError, FrameType::Send];
    types.into_iter().find(|type_| type_name(*type_) == name)
}

fn object(members: usize) -> Map {
    Map::with_capacity_and_hasher(members, Default::default())
}

fn set(object: &mut Map, name: &'static str, value: Val) {
    object.insert(fixed(name), value);
}

/// A string that needs no copy of its text.
pub(crate) fn fixed(text: &'static str) -> Val {
    Val::utf8_str(Bytes::from_static(text.as_bytes()))
}

fn string(text: String) -> Val {
    Val::utf8_str(Bytes::from(text))
}
