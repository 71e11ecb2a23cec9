//! Topics of the gateway's own messages, with placeholders.

use super::values::written_as_text;
use ocpp_gateway_core::publish::is_disallowed_in_topics;
use std::fmt;
use std::str::FromStr;

const CID: &str = "${cid}";
const GATEWAY: &str = "${gateway}";

/// A topic with `${cid}` for the charge point's identity and `${gateway}` for the gateway's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate(String);

/// Why a text is not such a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTopic {
    #[error("a topic must not be empty, nor contain + # or control characters")]
    Topic,
    #[error("{0:?} is no placeholder: there are ${{cid}} and ${{gateway}}")]
    Placeholder(String),
}

impl TopicTemplate {
    /// The topic for a charge point. Neither an identity nor a gateway's name can add a level or a wildcard to it.
    pub fn topic(&self, charge_point: &str, gateway: &str) -> String {
        self.0.replace(CID, charge_point).replace(GATEWAY, gateway)
    }

    pub fn names_charge_point(&self) -> bool {
        self.0.contains(CID)
    }

    pub fn names_gateway(&self) -> bool {
        self.0.contains(GATEWAY)
    }

    /// The filter for the topics of all charge points. `None`: the identity is not exactly one level of the topic.
    pub fn filter(&self) -> Option<String> {
        let levels: Vec<_> = self.0.split('/').map(|level| if level == CID { "+" } else { level }).collect();
        let filter = levels.join("/");
        (filter.matches('+').count() == 1 && !filter.contains(CID)).then_some(filter)
    }
}

impl FromStr for TopicTemplate {
    type Err = BadTopic;
    fn from_str(text: &str) -> Result<Self, BadTopic> {
        if text.is_empty()
            || text.len() > usize::from(u16::MAX)
            || text.contains(['+', '#'])
            || text.contains(is_disallowed_in_topics)
        {
            return Err(BadTopic::Topic);
        }
        let rest = text.replace(CID, "").replace(GATEWAY, "");
        match rest.find("${") {
            Some(start) => {
                let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
                Err(BadTopic::Placeholder(rest[start..end].to_owned()))
            }
            None => Ok(TopicTemplate(text.to_owned())),
        }
    }
}

impl fmt::Display for TopicTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written_as_text!(TopicTemplate, "a topic such as \"ocpp/events/${cid}\"");

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> TopicTemplate {
        text.parse().expect(text)
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(template("a/${gateway}/${cid}/b").topic("CP 1", "gw"), "a/gw/CP 1/b");
    }

    #[test]
    fn one_filter_covers_all_charge_points_where_the_identity_is_a_level() {
        assert_eq!(template("claims/${cid}/x").filter().as_deref(), Some("claims/+/x"));
        for text in ["claims", "claims/cp-${cid}", "claims/${cid}/${cid}", "claims/${cid}/x${cid}"] {
            assert_eq!(template(text).filter(), None, "{text}");
        }
    }

    #[test]
    fn bad_topics_and_placeholders_are_refused() {
        for text in ["", "a/+", "#", "a\0"] {
            assert_eq!(text.parse::<TopicTemplate>(), Err(BadTopic::Topic), "{text}");
        }
        for (text, placeholder) in [("a/${id}", "${id}"), ("a/${cid", "${cid")] {
            assert_eq!(text.parse::<TopicTemplate>(), Err(BadTopic::Placeholder(placeholder.into())), "{text}");
        }
    }
}
