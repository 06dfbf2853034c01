//! Texts that come from elsewhere, such as a server's: they must not move the cursor, change colours or hide anything.

/// Characters that turn the direction of the text around them, and characters that are no text.
const REMOVED: [std::ops::RangeInclusive<char>; 4] =
    ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{206f}', '\u{feff}'..='\u{feff}', '\u{fff9}'..='\u{fffb}'];

/// The text on one line and without control characters. Line breaks, tabs and runs of spaces become one space.
pub fn plain(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        let is_space = c.is_whitespace() && c != '\u{a0}';
        if is_space {
            if !cleaned.is_empty() && !cleaned.ends_with(' ') {
                cleaned.push(' ');
            }
        } else if !c.is_control() && !REMOVED.iter().any(|range| range.contains(&c)) {
            cleaned.push(c);
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        for (text, shown) in [
            ("\u{1b}[2J\u{1b}]0;title\u{7}text", "[2J]0;titletext"),
            ("a\r\nb\tc\u{b}\u{2028}d  e ", "a b c d e"),
            ("\u{9b}31mred\u{9d}", "31mred"),
            ("moc.elpmaxe\u{202e}\u{2066}", "moc.elpmaxe"),
            ("\u{7f}\u{0}\u{8}", ""),
            ("日本語 é 👩\u{200d}👧", "日本語 é 👩\u{200d}👧"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }
}
