//! From what a program gives to what the hooks return.

use crate::input::{FrameInput, MessageInput, type_name, type_of};
use crate::object::{Object, attribute_list, object_text, show, text_of};
use crate::write::{self, is_same};
use jaq_json::Val;
use ocpp_transform::{
    Acceptance, Attributes, CallError, Decision, ErrorHead, Frame, FrameAction, FrameType, Publish, PublishAction,
    Refusal, Rejection, TopicFilter,
};
use std::rc::Rc;

const FRAME: [&str; 7] = ["charge_point", "type", "id", "action", "payload", "error", "attributes"];
const MESSAGE: [&str; 7] = ["charge_point", "topic", "payload", "qos", "retain", "properties", "attributes"];

/// One output of `uplink` or `downlink`.
pub(crate) fn frame_action(input: &FrameInput, output: Val) -> Result<FrameAction, String> {
    if let (Val::Obj(input), Val::Obj(output)) = (&input.value, &output)
        && Rc::ptr_eq(input, output)
    {
        return Ok(FrameAction::Pass);
    }
    let object = Object::new(output, "an output")?;
    match object.single() {
        Some(("publish", message)) => Ok(FrameAction::Publish(new_message(message.clone())?)),
        Some(("reply", payload)) => Ok(FrameAction::Reply(object_text(payload, "`reply`")?)),
        Some(("reject", error)) => Ok(FrameAction::Reject(call_error(error.clone())?)),
        Some(("drop", reason)) => Ok(FrameAction::Drop(drop_reason(reason)?)),
        _ if object.get("payload").is_some() => changed_frame(input, &object),
        _ => Err(format!(
            "an output must be the object of the input, or an object with one of publish, reply, reject and drop, not {}",
            object.show()
        )),
    }
}

/// One output of `outbound` or `inbound`.
pub(crate) fn publish_action(input: &MessageInput, output: Val) -> Result<PublishAction, String> {
    if let (Val::Obj(input), Val::Obj(output)) = (&input.value, &output)
        && Rc::ptr_eq(input, output)
    {
        return Ok(PublishAction::Pass);
    }
    let object = Object::new(output, "an output")?;
    match object.single() {
        Some(("drop", reason)) => Ok(PublishAction::Drop(drop_reason(reason)?)),
        Some((name @ ("reply" | "reject" | "publish"), _)) => Err(format!(
            "`{name}` exists only for frames; give the object of the input, once for each message, or {{\"drop\": \"why\"}}"
        )),
        _ if object.get("topic").is_some() => changed_message(input, &object),
        _ => Err(format!("an output must be the object of the input, or {{\"drop\": \"why\"}}, not {}", object.show())),
    }
}

/// A frame that the program changed, or not. What it left out is as before.
fn changed_frame(input: &FrameInput, object: &Object<'_>) -> Result<FrameAction, String> {
    object.only(&FRAME)?;
    let before = Object::new(input.value.clone(), "the input")?;
    let is_kept = |name| match (object.get(name), before.get(name)) {
        (Some(after), Some(before)) => is_same(after, before),
        (after, _) => after.is_none(),
    };
    if ["type", "id", "action", "payload", "error", "attributes"].into_iter().all(is_kept) {
        return Ok(FrameAction::Pass);
    }
    let of = |name| if object.get(name).is_some() { object } else { &before };
    let type_ = frame_type(&of("type").required_text("type")?)?;
    let payload = if is_kept("payload") {
        String::from_utf8(Vec::from(input.payload.clone())).map_err(|_| "the payload is not UTF-8".to_owned())?
    } else {
        object.json_object("payload")?.unwrap_or_else(|| "{}".to_owned())
    };
    let attributes = match object.attributes("attributes")? {
        Some(attributes) if !is_kept("attributes") => attributes,
        _ => input.attributes.clone(),
    };
    let (id, action) = (of("id").required_text("id")?, of("action").text("action")?);
    Ok(FrameAction::Replace(Frame { type_, id, action, payload, error: error_head(type_, of("error"))?, attributes }))
}

/// A message that the program changed, or not. What it left out is as before.
fn changed_message(input: &MessageInput, object: &Object<'_>) -> Result<PublishAction, String> {
    object.only(&MESSAGE)?;
    let before = Object::new(input.value.clone(), "the input")?;
    let is_kept = |name| match (object.get(name), before.get(name)) {
        (Some(after), Some(before)) => is_same(after, before),
        (after, _) => after.is_none(),
    };
    if MESSAGE[1..].iter().copied().all(is_kept) {
        return Ok(PublishAction::Pass);
    }
    let of = |name| if object.get(name).is_some() { object } else { &before };
    let payload = if is_kept("payload") { Vec::from(input.payload.clone()) } else { payload_bytes(object)? };
    let list = |name, kept: &Attributes| match object.attributes(name)? {
        Some(attributes) if !is_kept(name) => Ok::<_, String>(attributes),
        _ => Ok(kept.clone()),
    };
    Ok(PublishAction::Replace(Publish {
        topic: of("topic").required_text("topic")?,
        payload,
        qos: of("qos").qos()?.unwrap_or(1),
        retain: of("retain").flag("retain")?.unwrap_or(false),
        properties: list("properties", &input.properties)?,
        attributes: list("attributes", &input.attributes)?,
    }))
}

/// A message of `to_mqtt`, `connected` or `disconnected`: as it is, or within `publish`.
pub(crate) fn message(output: Val) -> Result<Publish, String> {
    new_message(content(output, "publish")?)
}

/// What an output has within `name`, if that is its only member, or else the output itself.
fn content(output: Val, name: &str) -> Result<Val, String> {
    let object = Object::new(output.clone(), "an output")?;
    Ok(match object.single() {
        Some((only, content)) if only == name => content.clone(),
        _ => output,
    })
}

fn new_message(value: Val) -> Result<Publish, String> {
    let object = Object::new(value, "a message")?;
    object.only(&MESSAGE)?;
    Ok(Publish {
        topic: object.required_text("topic")?,
        payload: payload_bytes(&object)?,
        qos: object.qos()?.unwrap_or(1),
        retain: object.flag("retain")?.unwrap_or(false),
        properties: object.attributes("properties")?.unwrap_or_default(),
        attributes: object.attributes("attributes")?.unwrap_or_default(),
    })
}

/// A string is published as it is, and anything else as JSON. Nothing, not even `null`, is no mistake: an empty
/// retained message deletes the one before.
fn payload_bytes(object: &Object<'_>) -> Result<Vec<u8>, String> {
    match object.get("payload") {
        None => Err("a message needs a `payload`; \"\" is an empty one".to_owned()),
        Some(Val::TStr(text) | Val::BStr(text)) => Ok(text.to_vec()),
        Some(value) => {
            let text = write::write(value).map_err(|error| format!("`payload` of a message is not JSON: {error}"))?;
            Ok(text.into_bytes())
        }
    }
}

/// An output of `to_mqtt` or `from_mqtt` that refuses the message.
pub(crate) fn refusal(output: &Val) -> Result<Option<Refusal>, String> {
    let Val::Obj(_) = output else { return Ok(None) };
    let object = Object::new(output.clone(), "an output")?;
    match object.single() {
        Some(("reject", error)) => {
            let CallError { code, description, details } = call_error(error.clone())?;
            Ok(Some(Refusal { code, description, details }))
        }
        _ => Ok(None),
    }
}

/// A frame of `from_mqtt`.
pub(crate) fn frame(output: Val) -> Result<Frame, String> {
    let object = Object::new(output, "a frame")?;
    object.only(&FRAME)?;
    let type_ = frame_type(&object.required_text("type")?)?;
    let action = object.text("action")?;
    if action.is_none() && matches!(type_, FrameType::Call | FrameType::Send) {
        return Err(format!("a {} needs a string `action`", type_name(type_)));
    }
    Ok(Frame {
        type_,
        id: object.required_text("id")?,
        action,
        payload: object.json_object("payload")?.unwrap_or_else(|| "{}".to_owned()),
        error: error_head(type_, &object)?,
        attributes: object.attributes("attributes")?.unwrap_or_default(),
    })
}

fn frame_type(name: &str) -> Result<FrameType, String> {
    type_of(name)
        .ok_or_else(|| format!("`type` must be CALL, CALLRESULT, CALLERROR, CALLRESULTERROR or SEND, not {name:?}"))
}

/// Only the two error types have an error head, and they need it.
fn error_head(type_: FrameType, object: &Object<'_>) -> Result<Option<ErrorHead>, String> {
    if !matches!(type_, FrameType::CallError | FrameType::CallResultError) {
        return Ok(None);
    }
    let Some(error) = object.get("error") else {
        return Err(format!("a {} needs an object `error` with code and description", type_name(type_)));
    };
    let error = Object::new(error.clone(), "`error` of a frame")?;
    error.only(&["code", "description"])?;
    let description = error.text("description")?.unwrap_or_default();
    Ok(Some(ErrorHead { code: error.required_text("code")?, description }))
}

/// The first output of `check`: an error, as it is or within `reject`.
pub(crate) fn check_error(output: Val) -> Result<CallError, String> {
    call_error(content(output, "reject")?)
}

fn call_error(value: Val) -> Result<CallError, String> {
    let object = Object::new(value, "an error")?;
    object.only(&["code", "description", "details"])?;
    Ok(CallError {
        code: object.required_text("code")?,
        description: object.text("description")?.unwrap_or_default(),
        details: object.json_object("details")?.unwrap_or_else(|| "{}".to_owned()),
    })
}

fn drop_reason(reason: &Val) -> Result<String, String> {
    text_of(reason).map(str::to_owned).ok_or_else(|| format!("`drop` must be a string, not {}", show(reason)))
}

/// One output of `subscriptions`: a topic filter, with QoS 1 if nothing else is said.
pub(crate) fn topic_filter(output: Val) -> Result<TopicFilter, String> {
    if let Some(filter) = text_of(&output) {
        return Ok(TopicFilter { filter: filter.to_owned(), qos: 1 });
    }
    let Val::Obj(_) = output else {
        return Err(format!("a topic filter must be a string or an object with filter and qos, not {}", show(&output)));
    };
    let object = Object::new(output, "a topic filter")?;
    object.only(&["filter", "qos"])?;
    Ok(TopicFilter { filter: object.required_text("filter")?, qos: object.qos()?.unwrap_or(1) })
}

/// The first output of `admit`.
pub(crate) fn decision(output: Val) -> Result<Decision, String> {
    let object = Object::new(output, "an output")?;
    match object.single() {
        Some(("accept", Val::Obj(members))) => {
            Ok(Decision::Accept(Acceptance { attributes: attribute_list(members, "`accept`")? }))
        }
        Some(("refuse", refusal)) => {
            let refusal = Object::new(refusal.clone(), "`refuse`")?;
            refusal.only(&["status", "reason"])?;
            let status = refusal.number("status", 400, 599)?.unwrap_or(403);
            Ok(Decision::Refuse(Rejection { status, reason: refusal.text("reason")?.unwrap_or_default() }))
        }
        _ => Err(format!(
            "an output must be {{\"accept\": {{}}}} or {{\"refuse\": {{\"status\": 403, \"reason\": \"why\"}}}}, not {}",
            object.show()
        )),
    }
}
