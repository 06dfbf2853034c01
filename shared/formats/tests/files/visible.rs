//! What has to come through: the characters of a text that show something.

use formats::Conversation;

/// The text without white space, control characters and what shows nothing.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_dropped(*c)).collect()
}

fn is_dropped(c: char) -> bool {
    let code = u32::from(c);
    let is_format = [0xad, 0x61c, 0x180e, 0xfeff].contains(&code)
        || (0x200b..=0x200f).contains(&code)
        || (0x202a..=0x202e).contains(&code)
        || (0x2060..=0x206f).contains(&code)
        || (0xfff9..=0xfffb).contains(&code);
    let is_no_character = code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code);
    c.is_whitespace() || c.is_control() || is_format || is_no_character
}

/// The visible text of a conversation in the order in which it was said.
pub fn text(conversation: &Conversation) -> String {
    let mut segments: Vec<_> = conversation.segments.iter().collect();
    segments.sort_by_key(|segment| segment.start_ms);
    segments.into_iter().map(|segment| visible(&segment.text)).collect()
}

/// The characters of a text in order of their code: two texts that have the same ones lost nothing and doubled nothing.
pub fn sorted(text: &str) -> Vec<char> {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters
}
