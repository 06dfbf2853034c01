//! Text in lines of a width, counted in the columns that characters take: a Chinese character takes two.

use unicode_width::UnicodeWidthStr;

/// The number of columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Lines of at most `room` columns, broken between words. A word that is longer stays whole: an id or an address must
/// be copied as it is.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if width(line) + 1 + width(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The text with enough spaces behind it to take `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_long_words_stay_whole() {
        assert_eq!(wrap("the quick brown fox", 9), ["the quick", "brown fox"]);
        assert_eq!(wrap("an 8f0c6a3e-0000 id", 6), ["an", "8f0c6a3e-0000", "id"]);
        assert_eq!(wrap("", 6), [""]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(wrap("日本 日本", 8), ["日本", "日本"]);
        assert_eq!((width("日本"), padded("日本", 6)), (4, "日本  ".to_owned()));
        assert_eq!(width("e\u{301}"), 1);
    }
}
