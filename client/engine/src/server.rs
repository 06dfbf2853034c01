//! The address of the server, and which requests may carry the token.

use url::{Host, Url};

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// It is no address.
    #[error("`{0}` is not an address such as https://afterword.example")]
    Invalid(String),
    /// The token would travel in the clear.
    #[error("`{0}` is not https: the token would be readable on the way (plain http is allowed on this machine only)")]
    Plain(String),
}

/// The origin of the server's routes. The token goes there and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    base: Url,
}

/// A URL of the server's or of the storage's, and whether it is of the server's own origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) url: String,
    pub(crate) is_own: bool,
}

impl Server {
    /// Reads an address: `https`, or `http` for a server on this machine.
    pub fn parse(address: &str) -> Result<Self, ServerError> {
        let shown = || address.chars().take(200).collect::<String>();
        let mut base = Url::parse(address).map_err(|_| ServerError::Invalid(shown()))?;
        if !base.username().is_empty() || base.password().is_some() || base.host().is_none() {
            return Err(ServerError::Invalid(shown()));
        }
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(&base) => {}
            "http" => return Err(ServerError::Plain(shown())),
            _ => return Err(ServerError::Invalid(shown())),
        }
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self { base })
    }

    /// The address without its path, for people.
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The URL of a route, which begins with `/`.
    pub(crate) fn route(&self, path: &str) -> String {
        format!("{}{}", self.base, path.trim_start_matches('/'))
    }

    /// Where an address leads that the server gave. `None` if nothing may be sent there: bytes of audio go over https, or
    /// to this machine.
    pub(crate) fn resolve(&self, address: &str) -> Option<Target> {
        let url = self.base.join(address).ok()?;
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        let is_own = url.origin() == self.base.origin();
        (is_safe && url.host().is_some()).then(|| Target { url: url.into(), is_own })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_token_is_sent_to_the_configured_origin_only() {
        let server = Server::parse("https://afterword.example/api").unwrap();
        assert_eq!(server.route("/v2/limits"), "https://afterword.example/api/v2/limits");
        for (address, own) in [
            ("/v2/sync/uploads/parts/x", true),
            ("https://afterword.example/other", true),
            ("https://afterword.example:8443/v2", false),
            ("https://storage.googleapis.com/upload", false),
            ("//elsewhere.example/x", false),
        ] {
            assert_eq!(server.resolve(address).map(|target| target.is_own), Some(own), "{address}");
        }
        for address in
            ["http://afterword.example/", "http://elsewhere.example/", "ftp://a/", "file:///etc/passwd", "https://"]
        {
            assert_eq!(server.resolve(address), None, "{address}");
        }
    }

    #[test]
    fn token_is_never_sent_in_the_clear_but_on_this_machine() {
        for good in ["https://a.example", "http://127.0.0.1:8787", "http://[::1]:1/", "http://localhost"] {
            assert!(Server::parse(good).is_ok(), "{good}");
        }
        for bad in ["http://a.example", "http://10.0.0.1", "http://localhost.example"] {
            assert!(matches!(Server::parse(bad), Err(ServerError::Plain(_))), "{bad}");
        }
        for bad in ["", "afterword.example", "ftp://a.example", "https://u:p@a.example", "data:,x"] {
            assert!(matches!(Server::parse(bad), Err(ServerError::Invalid(_))), "{bad}");
        }
    }
}
