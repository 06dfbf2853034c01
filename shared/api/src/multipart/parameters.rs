//! Parses header values such as `form-data; name="files"; filename="a.bin"`.

use super::error::MultipartError;
use super::limits;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter, by its name in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), MultipartError> {
        let name = name.to_ascii_lowercase();
        // Two readers could take different ones of two values.
        if self.get(&name).is_some() {
            return Err(MultipartError::Malformed("a header has a parameter twice"));
        }
        if self.0.len() == limits::PARAMETERS {
            return Err(MultipartError::Malformed("a header has too many parameters"));
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Splits a header value into the first word and the parameters.
pub(super) fn split(header: &str) -> Result<(&str, Parameters), MultipartError> {
    let (word, mut rest) = header.split_once(';').unwrap_or((header, ""));
    let mut parameters = Parameters(Vec::new());
    loop {
        rest = rest.trim_start_matches(is_gap);
        if rest.is_empty() {
            return Ok((word.trim_matches(is_blank), parameters));
        }
        let (name, value, after) =
            first(rest).ok_or(MultipartError::Malformed("a header has a malformed parameter"))?;
        parameters.add(name, value)?;
        rest = after;
    }
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t')
}

/// RFC 9110 allows empty entries in a list of parameters.
fn is_gap(char: char) -> bool {
    is_blank(char) || char == ';'
}

/// The name and value of the first parameter, and the rest of the text.
fn first(text: &str) -> Option<(&str, String, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => plain(value)?,
    };
    let rest = rest.trim_start_matches(is_blank);
    (rest.is_empty() || rest.starts_with(';')).then_some((name, value, rest))
}

/// Reads a quoted value. Browsers write a backslash as it is and a quote as `%22`; older clients write `\"`. So `\"` is
/// the only escape that is decoded: a percent sign may be meant literally.
fn unquote(mut text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    loop {
        let (before, after) = text.split_once('"')?;
        match before.strip_suffix('\\') {
            Some(before) => value.extend([before, "\""]),
            None => return Some((value + before, after)),
        }
        text = after;
    }
}

/// Reads a value without quotes. More than a token is accepted: clients leave out the quotes around boundaries with `/`
/// or `=`, and around names in UTF-8.
fn plain(text: &str) -> Option<(String, &str)> {
    let end = text.find(is_gap).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (!value.is_empty() && !value.contains('"')).then(|| (value.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(header: &str) -> Option<Vec<(String, String)>> {
        split(header).ok().map(|(_, parameters)| parameters.0)
    }

    #[test]
    fn first_word_is_read_with_and_without_parameters() {
        assert_eq!(split("form-data").unwrap().0, "form-data");
        assert_eq!(split(" form-data ; a=b").unwrap().0, "form-data");
    }

    #[test]
    fn values_may_be_plain_or_quoted_and_names_are_case_insensitive() {
        let (_, parameters) = split("x; Name=files;FILENAME=\"a;b=c.bin\" ; z=1").unwrap();
        assert_eq!(parameters.get("name"), Some("files"));
        assert_eq!(parameters.get("filename"), Some("a;b=c.bin"));
        assert_eq!(parameters.get("z"), Some("1"));
        assert_eq!(parameters.get("other"), None);
    }

    #[test]
    fn only_an_escaped_quote_is_unescaped() {
        let cases =
            [(r#""a\"b""#, r#"a"b"#), (r#""C:\d\e""#, r"C:\d\e"), (r#""a%22%0D%0A""#, "a%22%0D%0A"), (r#""""#, "")];
        for (written, meant) in cases {
            assert_eq!(values(&format!("x; a={written}")).unwrap()[0].1, meant, "{written}");
        }
    }

    #[test]
    fn empty_entries_in_the_list_are_ignored() {
        assert_eq!(values("x;").unwrap().len(), 0);
        assert_eq!(values("x;; a=1 ;\t; b=2;").unwrap().len(), 2);
    }

    #[test]
    fn malformed_parameters_are_refused() {
        let broken = ["a", "a=", "=1", "a =1", "a= 1", "a=\"1", "a=\"1\\\"", "a=\"1\"2", "a=1 2", "a=1\"2\"", "ä=1"];
        for parameter in broken {
            assert!(split(&format!("x; {parameter}")).is_err(), "{parameter}");
        }
    }

    #[test]
    fn repeated_and_too_many_parameters_are_refused() {
        assert!(split("x; a=1; A=1").is_err());
        let many = |count| (0..count).map(|n| format!("; p{n}=1")).collect::<String>();
        assert!(split(&many(limits::PARAMETERS)).is_ok());
        assert!(split(&many(limits::PARAMETERS + 1)).is_err());
    }
}
