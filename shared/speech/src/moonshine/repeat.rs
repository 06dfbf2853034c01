//! Finds the loop in the output of a model that repeats the same phrase again and again.

/// The longest phrase that is searched for, in tokens.
const MAX_PHRASE_TOKENS: usize = 12;
/// The number of repetitions that is a loop. People do say "no, no, no, no", so fewer are not.
const MIN_REPETITIONS: usize = 6;
/// The minimum length of a loop in tokens, so that short phrases need more repetitions.
const MIN_LOOP_TOKENS: usize = 24;

/// If the tokens end in a loop, the number of tokens to keep, with the phrase once.
pub(super) fn before_the_loop(tokens: &[u32]) -> Option<usize> {
    (1..=MAX_PHRASE_TOKENS).find_map(|phrase| {
        let repeated = MIN_REPETITIONS.max(MIN_LOOP_TOKENS.div_ceil(phrase)) * phrase;
        let start = tokens.len().checked_sub(repeated)?;
        let tail = &tokens[start..];
        tail[phrase..].iter().zip(tail).all(|(one, before)| one == before).then_some(start + phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looping_phrase_is_kept_once() {
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
    fn ordinary_repetitions_are_kept() {
        assert_eq!(before_the_loop(&[5; 23]), None);
        assert_eq!(before_the_loop(&[[5, 6, 7, 8, 9]; 5].concat()), None);
        assert_eq!(before_the_loop(&(0..400).collect::<Vec<u32>>()), None);
        assert_eq!(before_the_loop(&[]), None);
    }
}
