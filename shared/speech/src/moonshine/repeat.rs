//! A model that lost the thread says the same again and again: where that begins.

/// The longest phrase that is looked for, in tokens.
const LONGEST_PHRASE: usize = 12;
/// People do say "no, no, no, no": a loop is what goes on after that.
const TIMES: usize = 6;
/// A phrase of one or two tokens needs more of them before it is a loop.
const FEWEST_TOKENS: usize = 24;

/// How many tokens to keep, the phrase once, if what was said last is a loop.
pub(super) fn before_the_loop(tokens: &[u32]) -> Option<usize> {
    (1..=LONGEST_PHRASE).find_map(|phrase| {
        let repeated = TIMES.max(FEWEST_TOKENS.div_ceil(phrase)) * phrase;
        let start = tokens.len().checked_sub(repeated)?;
        let tail = &tokens[start..];
        tail[phrase..].iter().zip(tail).all(|(one, before)| one == before).then_some(start + phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_without_end_is_kept_once() {
        for phrase in [&[7][..], &[7, 8], &[7, 8, 9, 10, 11]] {
            let mut tokens = vec![1, 2, 3];
            let looped = (0..).find_map(|at| {
                tokens.push(phrase[at % phrase.len()]);
                before_the_loop(&tokens)
            });
            assert_eq!(tokens[..looped.unwrap()], [&[1, 2, 3], phrase].concat());
            assert!(tokens.len() < 40);
        }
    }

    #[test]
    fn what_people_repeat_stays() {
        assert_eq!(before_the_loop(&[5; 23]), None);
        assert_eq!(before_the_loop(&[[5, 6, 7, 8, 9]; 5].concat()), None);
        assert_eq!(before_the_loop(&(0..400).collect::<Vec<u32>>()), None);
        assert_eq!(before_the_loop(&[]), None);
    }
}
