//! Masks the credentials that addresses in a text contain, for everything that is shown: logs, errors, the configuration.

use std::borrow::Cow;

const MASK: &str = "********";
/// Parts of the names of query parameters whose values are credentials.
const SECRET_NAMES: [&str; 6] = ["key", "token", "secret", "password", "signature", "upload_id"];

/// The text with the user part of each address in it masked, and the values of query parameters that are credentials:
/// `https://********@host/path?api_key=********`.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = address.find(|c: char| c.is_whitespace() || "\"'`<>(){}".contains(c)).unwrap_or(address.len());
        mask_address(&address[..end], &mut masked);
        rest = &address[end..];
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// Masks what follows `://`: `user:password@host/path?query`.
fn mask_address(address: &str, masked: &mut String) {
    let host_end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (host, rest) = address.split_at(host_end);
    match host.rsplit_once('@') {
        Some((_, host)) => [MASK, "@", host].iter().for_each(|part| masked.push_str(part)),
        None => masked.push_str(host),
    }
    let (path, query) = rest.split_at(rest.find('?').map_or(rest.len(), |at| at + 1));
    masked.push_str(path);
    for (n, pair) in query.split('&').enumerate() {
        if n > 0 {
            masked.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => [name, "=", MASK].iter().for_each(|part| masked.push_str(part)),
            _ => masked.push_str(pair),
        }
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
            ("\"http://ann:p%40w@h:80/a@b\"", "\"http://********@h:80/a@b\""),
            ("https://a:b@c@host/", "https://********@host/"),
            ("https://token@host?x=1", "https://********@host?x=1"),
            (
                "for url (https://u:p@h/p?api-key=1&a=2&Access_Token=3&sig=4#f), twice http://u:p@h.",
                "for url (https://********@h/p?api-key=********&a=2&Access_Token=********&sig=********), twice \
                 http://********@h.",
            ),
            ("ann@example.com wrote", "ann@example.com wrote"),
            ("://", "://"),
            ("http://ä:ö@ü/", "http://********@ü/"),
        ] {
            assert_eq!(without_credentials(text), masked, "{text}");
        }
    }
}
