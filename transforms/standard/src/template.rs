//! Topic templates: text with `${…}` placeholders, compiled once.

use ocpp_transform::{Frame, Peer};

/// What a placeholder may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    /// `${cid}`, `${clientid}`: the identity of the charge point.
    ChargePoint,
    /// `${action}`; empty for an answer whose action is not known.
    Action,
    /// `${id}`: the message id.
    MessageId,
    /// `${type}`: the number of the message type, 2 to 6.
    MessageType,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

/// What the placeholders stand for, for one message.
pub(crate) struct Facts<'a> {
    charge_point: &'a str,
    action: &'a str,
    message_id: &'a str,
    message_type: &'a str,
}

impl<'a> Facts<'a> {
    /// For a template in which only the charge point may occur.
    pub(crate) fn of_peer(peer: &'a Peer) -> Self {
        Facts { charge_point: &peer.id, action: "", message_id: "", message_type: "" }
    }

    pub(crate) fn of_frame(peer: &'a Peer, frame: &'a Frame) -> Self {
        Facts {
            charge_point: &peer.id,
            action: frame.action.as_deref().unwrap_or_default(),
            message_id: &frame.id,
            message_type: ["", "", "2", "3", "4", "5", "6"][usize::from(frame.type_.number())],
        }
    }
}

impl Template {
    /// Reads a template. The error says what is wrong with it, and not where it stands.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(bad) = text.chars().find(|c| matches!(c, '+' | '#' | '\0')) {
            return Err(format!("{bad:?} must not occur in a topic: {text:?}"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("a placeholder is not closed with '}}': {text:?}"))?;
            push_text(&mut pieces, before);
            pieces.push(Piece::Placeholder(placeholder(name)?));
            rest = after;
        }
        push_text(&mut pieces, rest);
        if pieces.is_empty() {
            return Err("a topic must not be empty".into());
        }
        Ok(Template(pieces))
    }

    /// Whether the topic depends on nothing but the charge point.
    pub(crate) fn names_only_the_charge_point(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_) | Piece::Placeholder(Placeholder::ChargePoint)))
    }

    /// What would change the meaning of the topic: an action or a message id, which charge points choose, with a
    /// wildcard, a level separator or NUL in it. (The gateway has checked their identities.)
    pub(crate) fn illegal_placeholder(&self, facts: &Facts<'_>) -> Option<&'static str> {
        let illegal = |text: &str| text.contains(['+', '#', '/', '\0']);
        self.0.iter().find_map(|piece| match piece {
            Piece::Placeholder(Placeholder::Action) if illegal(facts.action) => Some("action"),
            Piece::Placeholder(Placeholder::MessageId) if illegal(facts.message_id) => Some("message id"),
            _ => None,
        })
    }

    /// The topic for one message.
    pub(crate) fn render(&self, facts: &Facts<'_>) -> String {
        let length = self.0.iter().map(|piece| piece.text(facts).len()).sum();
        let mut topic = String::with_capacity(length);
        self.0.iter().for_each(|piece| topic.push_str(piece.text(facts)));
        topic
    }
}

impl Piece {
    fn text<'a>(&'a self, facts: &Facts<'a>) -> &'a str {
        match self {
            Piece::Text(text) => text,
            Piece::Placeholder(Placeholder::ChargePoint) => facts.charge_point,
            Piece::Placeholder(Placeholder::Action) => facts.action,
            Piece::Placeholder(Placeholder::MessageId) => facts.message_id,
            Piece::Placeholder(Placeholder::MessageType) => facts.message_type,
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    match name {
        "cid" | "clientid" => Ok(Placeholder::ChargePoint),
        "action" => Ok(Placeholder::Action),
        "id" => Ok(Placeholder::MessageId),
        "type" => Ok(Placeholder::MessageType),
        _ => Err(format!(
            "unknown placeholder ${{{name}}}; there are ${{cid}}, ${{clientid}}, ${{action}}, ${{id}} and ${{type}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing;

    #[test]
    fn every_placeholder_is_filled_in() {
        let template = Template::parse("x/${cid}/${clientid}/${action}-${id}/${type}").expect("a template");
        let topic = template.render(&Facts::of_frame(&testing::peer("CP 1"), &testing::call("17", "Heartbeat", "{}")));
        assert_eq!(topic, "x/CP 1/CP 1/Heartbeat-17/2");
    }

    #[test]
    fn a_dollar_or_a_brace_alone_is_text() {
        let template = Template::parse("$x/{y}/$").expect("a template");
        assert_eq!(template.render(&Facts::of_peer(&testing::peer("CP1"))), "$x/{y}/$");
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("", "must not be empty"),
            ("cp/${cid", "not closed"),
            ("cp/${vendor}", "unknown placeholder ${vendor}"),
            ("cp/+", "'+' must not occur"),
            ("cp/#", "'#' must not occur"),
            ("cp/\0", "'\\0' must not occur"),
        ] {
            let error = Template::parse(text).expect_err(text);
            assert!(error.contains(fault), "{text:?}: {error}");
        }
    }
}
