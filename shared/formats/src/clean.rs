//! Text that every format but JSON is made of: without control characters, and with single spaces.

/// Direction marks that stand in pairs, and characters that are no text. A pair would be torn apart where a text is
/// cut, and then turn the text around it.
const REMOVED: [std::ops::RangeInclusive<char>; 5] = [
    '\u{202a}'..='\u{202e}',
    '\u{2066}'..='\u{2069}',
    '\u{206a}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
];

/// The text without control characters. Line breaks, tabs and runs of spaces become one space. What joins or separates
/// letters and emoji invisibly stays.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c == ' ' || is_line_break_or_tab(c) {
            space = true;
        } else if !is_removed(c) {
            if space && !cleaned.is_empty() {
                cleaned.push(' ');
            }
            space = false;
            cleaned.push(c);
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    if cleaned.chars().all(is_invisible) {
        cleaned.clear();
    }
    let blank = cleaned.len() - cleaned.trim_start().len();
    cleaned.drain(..blank);
    cleaned
}

fn is_line_break_or_tab(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_removed(c: char) -> bool {
    let is_no_character = u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    c.is_control() || is_no_character || REMOVED.iter().any(|range| range.contains(&c))
}

/// A character that shows nothing by itself.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}')
}

/// The name to show for a speaker. Engines that only number speakers get a word before the number.
pub fn name(speaker: Option<&str>) -> Option<String> {
    let name = clean(speaker?);
    let is_number = name.len() <= 6 && name.bytes().all(|b| b.is_ascii_digit());
    let is_letter = name.len() == 1 && name.bytes().all(|b| b.is_ascii_alphabetic());
    match name.as_str() {
        "" => None,
        label if is_number || is_letter => Some(format!("Speaker {label}")),
        _ => Some(name),
    }
}

/// What stands between two texts that are joined: nothing if both sides are of a script without spaces.
pub fn joint(before: &str, after: &str) -> &'static str {
    let sides = (before.chars().next_back(), after.chars().next());
    if matches!(sides, (Some(a), Some(b)) if is_unspaced(a) && is_unspaced(b)) { "" } else { " " }
}

/// Whether the character belongs to a script that is written without spaces and broken anywhere: Chinese and Japanese
/// with their punctuation, and emoji. Korean has spaces.
pub fn is_unspaced(c: char) -> bool {
    let is_hangul = matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{a960}'..='\u{a97f}')
        || matches!(c, '\u{ac00}'..='\u{d7ff}' | '\u{ffa0}'..='\u{ffdc}');
    !is_hangul && unicode_width::UnicodeWidthChar::width(c) == Some(2)
}

/// Whether the `&` at the start of the text begins a character reference such as `&lt;` or `&#60;`.
pub fn is_character_reference(text: &str) -> bool {
    let Some(end) = text.find(';') else { return false };
    let name = text[1..end].strip_prefix('#').unwrap_or(&text[1..end]);
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_white_space_becomes_one_space() {
        assert_eq!(clean(" a\u{0}b\r\n\tc \u{2028} d\u{7}\u{1b}[0m \u{9b}"), "ab c d[0m");
        assert_eq!(clean("\u{feff}x\u{202e}y\u{2069}z\u{fffe}\u{fdd0}"), "xyz");
    }

    #[test]
    fn joiners_and_special_spaces_stay() {
        for text in ["👩\u{200d}👧", "می\u{200c}خواهم", "Quoi\u{a0}?", "a\u{3000}b", "\u{200f}שלום"] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn text_that_shows_nothing_is_empty() {
        for text in ["", "  ", "\u{200b}\u{a0}\u{2060}", "\u{0}\n", "\u{3000}"] {
            assert_eq!(clean(text), "", "{text:?}");
        }
    }

    #[test]
    fn label_of_an_engine_becomes_a_name() {
        let names = [("0", "Speaker 0"), ("A", "Speaker A"), ("SPEAKER_00", "SPEAKER_00"), (" Ann\nLee ", "Ann Lee")];
        for (label, shown) in names {
            assert_eq!(name(Some(label)).as_deref(), Some(shown));
        }
        assert_eq!((name(None), name(Some(" \u{7}"))), (None, None));
    }

    #[test]
    fn texts_are_joined_as_their_script_wants() {
        assert_eq!(
            [joint("今日は", "いい"), joint("한국", "말"), joint("a", "b"), joint("日", "a")],
            ["", " ", " ", " "]
        );
    }

    #[test]
    fn character_reference_is_told_from_an_ampersand() {
        assert!(["&lt;", "&#60;", "&#x3c; x"].into_iter().all(is_character_reference));
        assert!(!["& b;", "&", "&;", "&#;", "&T says so; yes", "&a"].into_iter().any(is_character_reference));
    }
}
