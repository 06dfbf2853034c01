//! A part of a turn that becomes a cue, and the name before it.

use unicode_segmentation::UnicodeSegmentation;

use crate::cuts::cuts;
use crate::lines::fit_two_lines;
use crate::piece::{Kind, Piece};
use crate::units::width;

/// After a silence the name of the speaker is shown again.
const NAMED_AGAIN_AFTER_MS: u64 = 5000;
/// A longer name is cut, so that it leaves room for words.
const MAX_NAME_COLUMNS: usize = 24;

#[derive(Clone, Debug)]
pub struct Draft {
    pub speaker: Option<String>,
    /// It is never empty, and it fits into two lines.
    pub pieces: Vec<Piece>,
}

impl Draft {
    pub fn start(&self) -> u64 {
        self.pieces.first().map_or(0, |piece| piece.start)
    }

    pub fn end(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    fn has_name(&self) -> bool {
        self.pieces.first().is_some_and(Piece::is_name)
    }

    pub fn without_name(mut self) -> Self {
        self.pieces.retain(|piece| !piece.is_name());
        self
    }
}

/// Cuts what one speaker says into drafts.
pub fn drafts(speaker: Option<&str>, pieces: &[Piece]) -> Vec<Draft> {
    let draft =
        |range: std::ops::Range<usize>| Draft { speaker: speaker.map(str::to_owned), pieces: pieces[range].to_vec() };
    cuts(pieces).into_iter().map(draft).collect()
}

/// Remembers who spoke last, and puts names where the speaker changes.
#[derive(Debug, Default)]
pub struct Naming {
    last: Option<(Option<String>, u64)>,
}

impl Naming {
    /// Puts the name of the speaker before the pieces, if a reader needs it.
    pub fn named(&mut self, speaker: Option<&str>, pieces: &[Piece]) -> Vec<Piece> {
        let (start, end) = (pieces.first().map_or(0, |piece| piece.start), pieces.last().map_or(0, |piece| piece.end));
        let is_known = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| last.as_deref() == speaker && start.saturating_sub(*at) < NAMED_AGAIN_AFTER_MS);
        self.last = Some((speaker.map(str::to_owned), end));
        let name = speaker.filter(|_| !is_known).map(|speaker| name(speaker, start));
        let mut named: Vec<_> = name.into_iter().chain(pieces.iter().cloned()).collect();
        if let [first, second, ..] = &mut named[..]
            && first.is_name()
        {
            second.gap = " ".to_owned();
        }
        named
    }

    /// Corrects the name of a draft for its place among all others: somebody may have spoken between it and its own
    /// turn. With a name more, it may become two.
    pub fn corrected(&mut self, draft: Draft) -> Vec<Draft> {
        let had_name = draft.has_name();
        let plain = draft.clone().without_name();
        let pieces = self.named(plain.speaker.as_deref(), &plain.pieces);
        match (had_name, pieces.first().is_some_and(Piece::is_name)) {
            (true, false) => vec![plain],
            (false, true) if !fit_two_lines(&pieces) => drafts(plain.speaker.as_deref(), &pieces),
            (false, true) => vec![Draft { speaker: plain.speaker, pieces }],
            _ => vec![draft],
        }
    }
}

fn name(speaker: &str, at: u64) -> Piece {
    let text = if width(speaker) <= MAX_NAME_COLUMNS { speaker.to_owned() } else { shortened(speaker) };
    let text = format!("{text}:");
    Piece { gap: String::new(), columns: width(&text), text, start: at, end: at, kind: Kind::Name }
}

fn shortened(name: &str) -> String {
    let mut columns = 1;
    let fits = |character: &&str| {
        columns += width(character);
        columns <= MAX_NAME_COLUMNS
    };
    let kept: String = name.graphemes(true).take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::line;
    use crate::testing::{pieces, timed};

    #[test]
    fn name_stands_where_the_speaker_changes_and_after_a_silence() {
        let mut naming = Naming::default();
        let mut said = |speaker, from| line(&naming.named(speaker, &timed(&[(from, from + 100, "yes")])));
        assert_eq!(said(Some("Ann"), 0), "Ann: yes");
        assert_eq!(said(Some("Ann"), 1000), "yes");
        assert_eq!(said(Some("Bob"), 2000), "Bob: yes");
        assert_eq!(said(None, 3000), "yes");
        assert_eq!(said(Some("Bob"), 4000), "Bob: yes");
        assert_eq!(said(Some("Bob"), 9100), "Bob: yes");
    }

    #[test]
    fn long_name_is_cut_between_characters() {
        assert_eq!(name(&"日".repeat(20), 0).text, format!("{}…:", "日".repeat(11)));
        assert_eq!(name("Her Excellency the Ambassador", 0).text, "Her Excellency the Amba…:");
    }

    #[test]
    fn draft_that_has_no_room_for_a_name_becomes_two() {
        let text = "Everything that a user can see is read at once, to compare one run with another.";
        let draft = || Draft { speaker: Some("Ann".into()), pieces: pieces(text) };
        let corrected = Naming::default().corrected(draft());
        let text_of = |drafts: &[Draft]| drafts.iter().map(|draft| line(&draft.pieces)).collect::<Vec<_>>().join(" ");
        assert_eq!((corrected.len(), text_of(&corrected)), (2, format!("Ann: {text}")));
        assert!(corrected.iter().all(|draft| fit_two_lines(&draft.pieces)));
        let mut naming = Naming::default();
        naming.named(Some("Ann"), &timed(&[(0, 0, "so")]));
        assert_eq!(text_of(&naming.corrected(draft())), text);
    }
}
