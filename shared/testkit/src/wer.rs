//! The word error rate: the fewest words to insert, delete or replace, per hundred words of the reference.

/// The number of reference words, and the number of errors among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    pub wrong: usize,
    pub words: usize,
}

impl Errors {
    pub fn add(&mut self, other: Self) {
        self.wrong += other.wrong;
        self.words += other.words;
    }

    pub fn percent(self) -> f64 {
        self.wrong as f64 * 100.0 / self.words.max(1) as f64
    }
}

/// Normalised words: lower case, without punctuation, small numbers spelled out, so that only what was heard is
/// compared.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace(['’', '\''], "").replace('-', " ");
    let bare: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // The reference text uses Shakespeare's spelling.
    let text = bare.join(" ").replace("thy self", "thyself");
    text.split(' ').filter(|word| !word.is_empty()).map(|word| spoken(word).to_owned()).collect()
}

fn spoken(word: &str) -> &str {
    match word {
        "1" => "one",
        "2" => "two",
        "mr" => "mister",
        other => other,
    }
}

pub fn errors(reference: &[String], heard: &[String]) -> Errors {
    // The edit distance from the words so far to each prefix of what was heard.
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (at, word) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(word != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    Errors { wrong: row[heard.len()], words: reference.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(reference: &str, heard: &str) -> usize {
        errors(&words(reference), &words(heard)).wrong
    }

    #[test]
    fn inserted_deleted_and_replaced_words_are_counted() {
        assert_eq!(wrong("", ""), 0);
        assert_eq!(wrong("a b c", "a b c"), 0);
        assert_eq!(wrong("a b c", "a x c"), 1);
        assert_eq!(wrong("a b c", "a c"), 1);
        assert_eq!(wrong("a b c", "a b x c"), 1);
        assert_eq!(wrong("a b c", ""), 3);
        assert_eq!(wrong("a b c d", "b c d e"), 2);
    }

    #[test]
    fn spelling_differences_are_not_errors() {
        assert_eq!(wrong("Thy self, thy foe", "thyself thy foe"), 0);
        assert_eq!(wrong("Mr. O'Neil -- one well-known man", "mister oneil 1 well known MAN!"), 0);
    }
}
