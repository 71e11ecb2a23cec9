//! Characters that must not reach a terminal or a page as they are.

use unicode_general_category::{GeneralCategory, get_general_category};

/// Whether a character does not show where it stands: control characters, which a terminal obeys, line and paragraph
/// separators, and format characters (Cf), some of which change the direction of writing while others have no width.
pub fn is_unprintable(character: char) -> bool {
    matches!(
        get_general_category(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_signs_and_spaces_show() {
        assert!(!"aÄ充م1٣ \u{a0}|€⚡".chars().any(is_unprintable));
    }

    #[test]
    fn what_a_terminal_obeys_and_what_reorders_text_does_not_show() {
        let bidirectional = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain('\u{200b}'..='\u{200f}');
        let others = "\0\t\n\r\u{1b}\u{7f}\u{9b}\u{ad}\u{61c}\u{2028}\u{2029}\u{2060}\u{feff}\u{e0041}";
        for character in bidirectional.chain(others.chars()) {
            assert!(is_unprintable(character), "{character:?}");
        }
    }
}
