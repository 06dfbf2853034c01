//! The address of a server.

use std::fmt;

use url::{Host, Url};

use crate::messages::Message;

/// An address without credentials, query or slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    pub fn parse(text: &str) -> Result<Self, Message> {
        let text = text.trim();
        let wrong = |why: &str| Message::InvalidAddress { url: terminal::plain(&masked(text)), why: why.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong(&format!(
                "it has to begin with http:// or https://, as in http://{}",
                terminal::plain(text)
            )));
        };
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(wrong("it has to begin with http:// or https://"));
        }
        if rest.is_empty() || rest.starts_with('/') {
            return Err(wrong("it names no host"));
        }
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a token belongs into --token, not into the address"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("an address has no ? and no #"));
        }
        let address = Self(url);
        if address.is_readable_by_others() {
            return Err(wrong("others on the network could read the token; http:// is for servers on this machine"));
        }
        Ok(address)
    }

    /// Whether tokens would cross a network that others can listen to.
    fn is_readable_by_others(&self) -> bool {
        let is_this_machine = match self.0.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        };
        self.0.scheme() == "http" && !is_this_machine
    }

    /// What a login is called if its user gives no name: the host, with the port if it is not the usual one.
    pub fn usual_name(&self) -> String {
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        self.0.port().map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

fn masked(text: &str) -> String {
    domain::masking::without_credentials(text).into_owned()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_in_one_way() {
        for (given, kept, name) in [
            ("http://127.0.0.1:8787/", "http://127.0.0.1:8787", "127.0.0.1:8787"),
            (" HTTPS://Home.Example ", "https://home.example", "home.example"),
            ("https://home.example:443/afterword/", "https://home.example/afterword", "home.example"),
            ("http://[::1]:8787", "http://[::1]:8787", "::1:8787"),
        ] {
            let address = Address::parse(given).unwrap();
            assert_eq!((address.to_string().as_str(), address.usual_name().as_str()), (kept, name));
        }
    }

    #[test]
    fn wrong_addresses_are_refused_and_show_no_credentials() {
        for (given, why) in [
            ("127.0.0.1:8787", "as in http://127.0.0.1:8787"),
            ("home", "as in http://home"),
            ("ftp://home", "it has to begin with http:// or https://"),
            ("http://", "no host"),
            ("http:///v2", "no host"),
            ("https://ann:secret@home", "--token"),
            ("https://home/?token=secret", "no ?"),
            ("http://home:99999", "port"),
            ("http://192.168.1.5:8787", "could read the token"),
            ("http://home.example", "could read the token"),
            ("http://localhost.example", "could read the token"),
        ] {
            let told = Address::parse(given).unwrap_err().to_string();
            assert!(told.contains(why) && !told.contains("secret"), "{told}");
        }
    }
}
