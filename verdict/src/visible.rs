//! Text that a terminal may be shown, whoever wrote it.
//!
//! An id is whatever its emitter calls it, and a terminal obeys what it is sent: an actor named with an escape sequence
//! would erase a row of an audit and print a forged one, a line break would add one, a mark that turns the direction of
//! writing would make `bob` of `bob's deputy`. So all that this program prints passes through here, on its way out:
//! what moves the cursor, breaks the line, turns it around, or can not be seen is shown as its number, `\u{1b}`.
//!
//! One text has one form: where `\u{` stands in it literally, its backslash is shown as `\u{5c}`. In JSON the same
//! characters are written as the escapes of JSON, so that what is printed is the same value.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Must a reader see this character as its number?
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Seen as nothing, or as a blank of no width: soft hyphen, joiners, fillers, selectors of variants.
            '\u{ad}' | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // No blank, and seen as one: an empty cell of Braille.
            | '\u{2800}'
            // What turns the direction of writing.
            | '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // What breaks a line or a paragraph.
            | '\u{2028}'..='\u{2029}')
}

/// A text of which every character can be seen; it has no line break either.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) && !text.contains("\\u{") {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let ambiguous = c == '\\' && text.get(at + 1..).is_some_and(|rest| rest.starts_with("u{"));
        if ambiguous || is_hidden(c) {
            // Writing to a string does not fail.
            let _infallible = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A [`visible`] text for a cell of a table: columns are set apart by blanks, so more than one in a row are shown as numbers,
/// lest an id look like columns of its own; so is any blank but the usual one, and one at the end.
pub(crate) fn visible_cell(text: &str) -> String {
    let mut after_blank = true;
    let mut shown = String::with_capacity(text.len());
    for c in visible(text).chars() {
        let blank = c.is_whitespace();
        if blank && (after_blank || c != ' ') {
            let _infallible = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
        after_blank = blank;
    }
    // At the end a blank can not be told from the column's own.
    if shown.ends_with(' ') {
        shown.pop();
        shown.push_str("\\u{20}");
    }
    shown
}

/// JSON of the same value, of which every character can be seen. Line breaks between its tokens stay.
pub(crate) fn visible_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|c| is_hidden(c) && c != '\n') {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 64);
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if !is_hidden(c) || (c == '\n' && !in_string) {
            shown.push(c);
        } else if !in_string && c.is_ascii_whitespace() {
            // Between tokens a tab or a carriage return says what a blank does.
            shown.push(' ');
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _infallible = write!(shown, "\\u{unit:04x}");
            }
        }
        in_string = if in_string { escaped || c != '"' } else { c == '"' };
        escaped = in_string && !escaped && c == '\\';
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NASTY: &str = "mallory\u{1b}[1A\u{1b}[2K\r\nforged\t\u{7f}\u{9b}2J \u{202e}txt\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}\\u{1b}";

    #[test]
    fn what_acts_on_a_terminal_is_shown_as_its_number() {
        assert_eq!(
            visible(NASTY),
            "mallory\\u{1b}[1A\\u{1b}[2K\\u{d}\\u{a}forged\\u{9}\\u{7f}\\u{9b}2J \\u{202e}txt\\u{2066}\\u{200b}\\u{feff}\
             \\u{2028}\\u{e0041}\\u{5c}u{1b}"
        );
        for plain in ["Zoë Ωmega 漢字 ✓", "DOMAIN\\user", "C:\\users\\u", "a\u{a0}b", "👩"] {
            assert!(
                matches!(visible(plain), Cow::Borrowed(same) if same == plain),
                "{plain}"
            );
        }
    }

    #[test]
    fn a_cell_does_not_look_like_several() {
        assert_eq!(visible_cell("eve  read   a1"), "eve \\u{20}read \\u{20}\\u{20}a1");
        assert_eq!(
            visible_cell(" eve\u{3000}\u{a0} b"),
            "\\u{20}eve\\u{3000}\\u{a0}\\u{20}b"
        );
        assert_eq!(visible_cell("eve "), "eve\\u{20}");
        assert_eq!(visible_cell("\u{2800}eve"), "\\u{2800}eve");
        assert_eq!(visible_cell("2026-03-01 12:00:00"), "2026-03-01 12:00:00");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = json!({NASTY: [NASTY, {"n": 1.5}]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = visible_json(&text);
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
            assert!(!shown.contains(|c| is_hidden(c) && c != '\n'), "{shown:?}");
        }
        assert_eq!(visible_json("{\t\"a\\\\\":\r\n 1.50}"), "{ \"a\\\\\": \n 1.50}");
    }

    /// Any text, of what acts and what does not.
    fn text() -> impl Strategy<Value = String> {
        let acts = proptest::sample::select(NASTY.chars().collect::<Vec<_>>());
        let any = prop_oneof![2 => any::<char>(), 2 => acts, 1 => Just('\\'), 1 => Just('"')];
        proptest::collection::vec(any, 0..40).prop_map(|chars| chars.into_iter().collect())
    }

    /// What was shown, read back.
    fn unescaped(shown: &str) -> String {
        let mut read = String::new();
        let mut rest = shown;
        while let Some((before, number)) = rest.split_once("\\u{") {
            let (number, after) = number.split_once('}').unwrap();
            read.push_str(before);
            read.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            rest = after;
        }
        read + rest
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_shown_and_no_two_texts_alike(text in text()) {
            let shown = visible(&text);
            prop_assert!(!shown.contains(is_hidden), "{:?}", shown);
            prop_assert_eq!(unescaped(&shown), text);
        }

        #[test]
        fn nothing_hidden_is_shown_as_json_and_the_value_is_the_same(key in text(), value in text(), broken in text()) {
            let value = json!({key: [value]});
            let text = value.to_string();
            let shown = visible_json(&text);
            prop_assert!(!shown.contains(is_hidden), "{:?}", shown);
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
            // What is no JSON is printed too, when a server answers with it.
            prop_assert!(!visible_json(&broken).contains(|c| is_hidden(c) && c != '\n'));
        }
    }
}
