//! What was expected beside what came, line by line.

use super::outcome::Outcome;
use similar::{ChangeTag, TextDiff};

/// Lines that were expected and did not come begin with `-`, lines that came instead with `+`.
pub(super) fn between(expected: &[Outcome], got: &[Outcome]) -> String {
    let (expected, got) = (pretty(expected), pretty(got));
    let mut text = String::from("- expected\n+ got\n\n");
    for change in TextDiff::from_lines(&expected, &got).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        text.push(sign);
        text.push(' ');
        text += change.value();
    }
    text
}

/// As JSON over many lines; nothing, where nothing comes out.
fn pretty(outcomes: &[Outcome]) -> String {
    let text = serde_json::to_string_pretty(outcomes).unwrap_or_else(|error| error.to_string());
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_marked() {
        let outcome = |text: &str| serde_json::from_str::<Vec<Outcome>>(text).expect(text);
        let expected = outcome(r#"["pass",{"publish":{"topic":"a","payload":"{\"v\":1,\"w\":2}"}}]"#);
        let got = outcome(r#"["pass",{"publish":{"topic":"a","payload":"{\"w\":2,\"v\":\"1\"}"}}]"#);
        let marked: Vec<_> = between(&expected, &got)
            .lines()
            .filter(|line| !line.starts_with(' ') && !line.is_empty())
            .map(|line| line.replace(' ', ""))
            .collect();
        assert_eq!(marked, ["-expected", "+got", r#"-"v":1,"#, r#"+"v":"1","#]);
    }

    #[test]
    fn nothing_differs_from_something() {
        let text = between(&[], &[Outcome::Pass]);
        assert!(text.contains("- []\n") && text.contains("+   \"pass\"\n"), "{text}");
    }
}
