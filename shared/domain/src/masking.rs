//! Masks the credentials that addresses in a text contain, for everything that is shown: logs, errors, the configuration.
//!
//! A password that is not escaped makes an address ambiguous: in `https://a:1/b@c` the host may be `a` or `c`. Then more is
//! masked than may be needed, and never less.

use std::borrow::Cow;

const MASK: &str = "********";
const SCHEME_END: &str = "://";
/// Parts of the names of parameters whose values are credentials.
const SECRET_NAMES: [&str; 10] =
    ["key", "token", "secret", "passw", "pwd", "auth", "credential", "signature", "upload_id", "jwt"];
const PUNCTUATION: [char; 17] = ['(', ')', '[', ']', '{', '}', '<', '>', '\'', '"', '`', ',', '.', ':', '!', '?', '\\'];
/// What stands before a parameter or ends its value.
const SEPARATORS: [char; 4] = ['?', '&', ';', '#'];

/// The text with the user part of each address in it masked, and the values of parameters that are credentials:
/// `https://********@host/path?api_key=********`.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains(SCHEME_END) {
        return Cow::Borrowed(text);
    }
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let (word, after) = rest.split_at(word_end(rest));
        if word.contains(SCHEME_END) {
            // Punctuation at the end belongs to the sentence around the address.
            let (address, punctuation) = word.split_at(word.trim_end_matches(PUNCTUATION).len());
            mask_values(&without_user(address), &mut masked);
            masked.push_str(punctuation);
        } else {
            masked.push_str(word);
        }
        let (end, after) = after.split_at(after.chars().next().map_or(0, char::len_utf8));
        masked.push_str(end);
        rest = after;
    }
    Cow::Owned(masked)
}

/// Only a space, a line break or a closing quote ends an address: a password may contain everything else.
fn word_end(text: &str) -> usize {
    let goes_on = |c: char| c.is_alphanumeric() || c == '@';
    let ends = |&(at, c): &(usize, char)| {
        c.is_whitespace() || c.is_control() || c == '"' && !text[at + 1..].starts_with(goes_on)
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// Masks everything from the first user part to the last `@`.
fn without_user(address: &str) -> Cow<'_, str> {
    let Some((before, host)) = address.rsplit_once('@') else { return Cow::Borrowed(address) };
    let mut starts = before.match_indices(SCHEME_END).map(|(at, _)| at + SCHEME_END.len());
    match starts.find(|start| is_user(&before[*start..])) {
        Some(start) => Cow::Owned(format!("{}{MASK}@{host}", &before[..start])),
        None => Cow::Borrowed(address),
    }
}

/// Whether this may be a user part: it contains no `/`, or it has a password, which may contain one.
fn is_user(before_at: &str) -> bool {
    before_at.contains(':') || before_at.contains('@') || !before_at.contains(['/', '?', '#'])
}

/// Masks the values of parameters that are credentials, wherever they stand in the address.
fn mask_values(address: &str, masked: &mut String) {
    for (n, part) in address.split_inclusive(SEPARATORS).enumerate() {
        let (part, separator) = part.split_at(part.trim_end_matches(SEPARATORS).len());
        match part.split_once('=') {
            Some((name, value)) if n > 0 && !value.is_empty() && is_secret(name) => {
                [name, "=", MASK].iter().for_each(|part| masked.push_str(part));
            }
            _ => masked.push_str(part),
        }
        masked.push_str(separator);
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "sig" || SECRET_NAMES.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_addresses_are_masked_and_everything_else_stays() {
        for (text, masked) in [
            ("no address", "no address"),
            ("https://speech.example/v1?model=a", "https://speech.example/v1?model=a"),
            ("https://ann:pw@speech.example", "https://********@speech.example"),
            ("\"http://ann:p%40w@h:80/a\"", "\"http://********@h:80/a\""),
            ("https://a:b@c@host/", "https://********@host/"),
            ("https://token@host?x=1", "https://********@host?x=1"),
            (
                "for url (https://u:p@h/p?api-key=1&a=2&Access_Token=3&sig=4#f), twice http://u:p@h.",
                "for url (https://********@h/p?api-key=********&a=2&Access_Token=********&sig=********#f), twice \
                 http://********@h.",
            ),
            ("ann@example.com wrote", "ann@example.com wrote"),
            ("ann@example.com wrote to https://h/", "ann@example.com wrote to https://h/"),
            ("://", "://"),
            ("http://ä:ö@ü/", "http://********@ü/"),
            ("https://h/@ann/?author", "https://h/@ann/?author"),
            ("https://h/?key=&a=1", "https://h/?key=&a=1"),
            ("https://h/#access_token=1", "https://h/#access_token=********"),
            ("https://h/?a=1;pwd=2?auth=3&amp;key=4", "https://h/?a=1;pwd=********?auth=********&amp;key=********"),
            ("https://h/?next=https://u:p?w@g/?key=1", "https://********@g/?key=********"),
            ("{\"a\":\"http://h/\",\"b\":\"u:p@h\"}", "{\"a\":\"http://h/\",\"b\":\"u:p@h\"}"),
            ("[http://u:p@h]\n<http://u:p@g>", "[http://********@h]\n<http://********@g>"),
        ] {
            assert_eq!(without_credentials(text), masked, "{text}");
        }
    }

    /// Pieces of which passwords are made; `@` and `:` are in it because they end other parts of an address.
    const PIECES: [&str; 19] =
        ["(", ")", "'", "\"", "/", "#", "?", "&", ";", "=", "@", ":", "[", "{", "<", "`", ",", "\\", "://"];

    /// The sentences in which an address stands, with what is before and after it.
    const AROUND: [(&str, &str); 6] =
        [("", ""), ("(", "), again"), ("\"", "\":1"), ("<", ">."), ("no answer from '", "'!"), ("url=", "\nnext line")];

    #[test]
    fn no_password_is_shown_whatever_it_contains_and_wherever_it_stands() {
        for (first, second) in PIECES.iter().flat_map(|first| PIECES.iter().map(move |second| (first, second))) {
            for password in [format!("{first}hid{second}den"), format!("12{first}hid{second}den{first}")] {
                for (before, after) in AROUND {
                    let text = format!("{before}https://ann:{password}@speech.example:443/v1{after}");
                    let masked = format!("{before}https://********@speech.example:443/v1{after}");
                    assert_eq!(without_credentials(&text), masked, "{text}");
                }
            }
        }
    }

    #[test]
    fn no_value_of_a_secret_parameter_is_shown_whatever_separates_it() {
        let names =
            ["key", "api_key", "X-Goog-Signature", "access_token", "client_secret", "password", "passwd", "PWD"];
        let names = names.into_iter().chain(["auth", "Authorization", "sig", "upload_id", "X-Amz-Credential"]);
        for (name, separator) in names.flat_map(|name| SEPARATORS.map(|separator| (name, separator))) {
            for secret in ["hidden", "hid/den", "hid=den", "hid:den", "hid(den", "hid)den", "hid'den", "hid,den"] {
                for (before, after) in AROUND {
                    let text = format!("{before}https://h/v1?a=1{separator}{name}={secret}{separator}b=2{after}");
                    let masked = text.replace(secret, MASK);
                    assert_eq!(without_credentials(&text), masked, "{text}");
                    let text = format!("{before}https://h/v1?a=1{separator}{name}={secret}{after}");
                    assert_eq!(without_credentials(&text), text.replace(secret, MASK), "{text}");
                }
            }
        }
    }
}
