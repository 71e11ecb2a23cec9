//! Topics in the settings of a transform: text with placeholders such as `${cid}`, compiled once.

/// The names that may occur between `${` and `}`.
pub trait Placeholder: Copy + 'static {
    /// Each placeholder with its name. One placeholder may have several names.
    const NAMES: &'static [(&'static str, Self)];
}

/// A topic to publish to, with placeholders.
///
/// ```
/// use ocpp_transform::topic::{Placeholder, Template};
///
/// #[derive(Debug, Clone, Copy)]
/// enum Fact {
///     ChargePoint,
///     Action,
/// }
///
/// impl Placeholder for Fact {
///     const NAMES: &'static [(&'static str, Self)] = &[("cid", Fact::ChargePoint), ("action", Fact::Action)];
/// }
///
/// let template = Template::parse("site/${cid}/${action}").unwrap();
/// let topic = template.render(|fact| match fact {
///     Fact::ChargePoint => "CP1",
///     Fact::Action => "Heartbeat",
/// });
/// assert_eq!(topic, "site/CP1/Heartbeat");
///
/// let error = Template::<Fact>::parse("site/${vendor}").unwrap_err();
/// assert_eq!(error, "unknown placeholder ${vendor}; there are ${cid}, ${action}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<P> {
    head: String,
    /// Each placeholder with the text that follows it.
    rest: Vec<(P, String)>,
    /// The bytes of `head` and of the texts in `rest` together.
    text_length: usize,
}

impl<P: Placeholder> Template<P> {
    /// Reads a template. The error names the problem, but not its position.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        if text.is_empty() {
            return Err("a topic must not be empty".into());
        }
        let mut parts = text.split("${");
        let head = parts.next().unwrap_or_default().to_owned();
        let mut rest = Vec::new();
        for part in parts {
            let (name, following) =
                part.split_once('}').ok_or_else(|| format!("a placeholder is not closed with '}}': {text:?}"))?;
            rest.push((find_placeholder(name)?, following.to_owned()));
        }
        let text_length = head.len() + rest.iter().map(|(_, following)| following.len()).sum::<usize>();
        Ok(Template { head, rest, text_length })
    }

    /// The placeholders that occur in it.
    pub fn placeholders(&self) -> impl Iterator<Item = P> {
        self.rest.iter().map(|(placeholder, _)| *placeholder)
    }

    /// The topic. What `value` returns is inserted unchanged: check the values that charge points influence with
    /// [`is_safe`].
    pub fn render<S: AsRef<str>>(&self, value: impl Fn(P) -> S) -> String {
        let filled_in = self.placeholders().map(|placeholder| value(placeholder).as_ref().len()).sum::<usize>();
        let mut topic = String::with_capacity(self.text_length + filled_in);
        topic += &self.head;
        for (placeholder, following) in &self.rest {
            topic += value(*placeholder).as_ref();
            topic += following;
        }
        topic
    }
}

fn find_placeholder<P: Placeholder>(name: &str) -> Result<P, String> {
    let known = P::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, placeholder)| *placeholder).ok_or_else(|| {
        let names: Vec<_> = P::NAMES.iter().map(|(known, _)| format!("${{{known}}}")).collect();
        format!("unknown placeholder ${{{name}}}; there are {}", names.join(", "))
    })
}

/// Whether brokers may close a connection over this character: control characters and noncharacters, which "SHOULD NOT"
/// occur in a string (MQTT 3.1.1 section 1.5.3).
///
/// ```
/// use ocpp_transform::topic::is_disallowed_in_topics;
/// assert!(is_disallowed_in_topics('\u{85}') && is_disallowed_in_topics('\u{fdd0}') && !is_disallowed_in_topics('é'));
/// ```
pub fn is_disallowed_in_topics(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

/// Refuses what must not occur in a topic to publish to: wildcards (MQTT 3.1.1 section 4.7.1), and what
/// [`is_disallowed_in_topics`].
///
/// ```
/// use ocpp_transform::topic::check;
/// assert_eq!(check("site/north/"), Ok(()));
/// assert_eq!(check("site/+/"), Err("'+' must not occur in a topic: \"site/+/\"".into()));
/// ```
pub fn check(text: &str) -> Result<(), String> {
    match text.chars().find(|c| matches!(c, '+' | '#') || is_disallowed_in_topics(*c)) {
        Some(bad) => Err(format!("{bad:?} must not occur in a topic: {text:?}")),
        None => Ok(()),
    }
}

/// The longest text that [`is_safe`], in bytes. Actions are much shorter. A topic has room for more than two hundred
/// such texts; a topic that is too long for MQTT counts as a failure of the transform.
const MAX_LENGTH: usize = 255;

/// Whether a text can be inserted into a level of a topic: it has no separator, wildcard or character that
/// [`is_disallowed_in_topics`], and is at most 255 bytes long.
///
/// ```
/// use ocpp_transform::topic::is_safe;
/// assert!(is_safe("Heartbeat"));
/// assert!(!is_safe("a/b"));
/// assert!(!is_safe(&"a".repeat(70_000)));
/// ```
pub fn is_safe(text: &str) -> bool {
    text.len() <= MAX_LENGTH && !text.contains(|c: char| matches!(c, '+' | '#' | '/') || is_disallowed_in_topics(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Id;

    impl Placeholder for Id {
        const NAMES: &'static [(&'static str, Self)] = &[("cid", Id), ("clientid", Id)];
    }

    #[test]
    fn dollar_or_brace_alone_is_text() {
        let template = Template::<Id>::parse("$x/{y}/$").expect("a template");
        assert_eq!((template.placeholders().count(), template.render(|Id| "")), (0, "$x/{y}/$".into()));
    }

    #[test]
    fn placeholder_may_have_two_names_and_any_position() {
        let template = Template::<Id>::parse("${cid}${clientid}/x").expect("a template");
        assert_eq!(template.render(|Id| String::from("CP 1")), "CP 1CP 1/x");
    }

    #[test]
    fn invalid_templates_are_refused_with_the_reason() {
        for (text, fault) in [
            ("", "must not be empty"),
            ("cp/${cid", "not closed"),
            ("cp/${vendor}", "unknown placeholder ${vendor}; there are ${cid}, ${clientid}"),
            ("cp/+", "'+' must not occur"),
            ("cp/#", "'#' must not occur"),
            ("cp/\0", "'\\0' must not occur"),
            ("cp/\n", "'\\n' must not occur"),
        ] {
            let error = Template::<Id>::parse(text).expect_err(text);
            assert!(error.contains(fault), "{text:?}: {error}");
        }
    }
}
