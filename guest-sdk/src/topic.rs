//! Topics in the settings of a transform: text with placeholders such as `${cid}`, compiled once.

/// What may stand between `${` and `}`.
pub trait Placeholder: Copy + 'static {
    /// Each with its name; several names may stand for the same.
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
    /// Of `head` and the texts in `rest` together.
    text_length: usize,
}

impl<P: Placeholder> Template<P> {
    /// Reads a template. The error says what is wrong with it, and not where it stands.
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
            rest.push((named(name)?, following.to_owned()));
        }
        let text_length = head.len() + rest.iter().map(|(_, following)| following.len()).sum::<usize>();
        Ok(Template { head, rest, text_length })
    }

    /// What occurs in it.
    pub fn placeholders(&self) -> impl Iterator<Item = P> {
        self.rest.iter().map(|(placeholder, _)| *placeholder)
    }

    /// The topic. What `value` answers goes in as it is: see [`is_safe`] for what charge points have a say in.
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

fn named<P: Placeholder>(name: &str) -> Result<P, String> {
    let known = P::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, placeholder)| *placeholder).ok_or_else(|| {
        let names: Vec<_> = P::NAMES.iter().map(|(known, _)| format!("${{{known}}}")).collect();
        format!("unknown placeholder ${{{name}}}; there are {}", names.join(", "))
    })
}

/// Whether brokers may close a connection over this character: control characters and noncharacters, which "SHOULD NOT"
/// stand in a string (MQTT 3.1.1 section 1.5.3).
///
/// ```
/// use ocpp_transform::topic::breaks_connections;
/// assert!(breaks_connections('\u{85}') && breaks_connections('\u{fdd0}') && !breaks_connections('é'));
/// ```
pub fn breaks_connections(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

/// Refuses what must not stand in a topic to publish to: wildcards (MQTT 3.1.1 section 4.7.1), and what
/// [`breaks_connections`].
///
/// ```
/// use ocpp_transform::topic::check;
/// assert_eq!(check("site/north/"), Ok(()));
/// assert_eq!(check("site/+/"), Err("'+' must not occur in a topic: \"site/+/\"".into()));
/// ```
pub fn check(text: &str) -> Result<(), String> {
    match text.chars().find(|c| matches!(c, '+' | '#') || breaks_connections(*c)) {
        Some(bad) => Err(format!("{bad:?} must not occur in a topic: {text:?}")),
        None => Ok(()),
    }
}

/// The longest text that [`is_safe`], in bytes. No action is nearly as long, and a topic has room for some hundred of them:
/// one that is too long for MQTT counts as a failure of the transform.
const LONGEST: usize = 255;

/// Whether a text can be part of a level of a topic, leaves its levels as they are, and leaves room for others.
///
/// ```
/// use ocpp_transform::topic::is_safe;
/// assert!(is_safe("Heartbeat"));
/// assert!(!is_safe("a/b"));
/// assert!(!is_safe(&"a".repeat(70_000)));
/// ```
pub fn is_safe(text: &str) -> bool {
    text.len() <= LONGEST && !text.contains(|c: char| matches!(c, '+' | '#' | '/') || breaks_connections(c))
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
    fn a_dollar_or_a_brace_alone_is_text() {
        let template = Template::<Id>::parse("$x/{y}/$").expect("a template");
        assert_eq!((template.placeholders().count(), template.render(|Id| "")), (0, "$x/{y}/$".into()));
    }

    #[test]
    fn a_placeholder_may_have_two_names_and_stand_anywhere() {
        let template = Template::<Id>::parse("${cid}${clientid}/x").expect("a template");
        assert_eq!(template.render(|Id| String::from("CP 1")), "CP 1CP 1/x");
    }

    #[test]
    fn faults_are_named() {
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
