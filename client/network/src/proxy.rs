//! The way through an HTTP proxy: a tunnel by `CONNECT`, inside of which the connection to the server is encrypted from end
//! to end. The proxy sees the name of the server, and neither tokens nor recordings.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::failure::ConnectFailure;

/// The port of a proxy whose address names none.
const USUAL_PORT: u16 = 8080;
/// The most bytes of a proxy's answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// The port of a server whose address names none.
const HTTPS_PORT: u16 = 443;

/// Why a setting of a proxy cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is no address of a proxy.
    #[error(
        "`{variable}` is no address of a proxy; it is written as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    )]
    Invalid {
        /// The variable that has it.
        variable: String,
    },
    /// The proxy speaks something else than HTTP.
    #[error("`{variable}` names a proxy of the kind `{scheme}`; only proxies with http:// can be used")]
    Scheme {
        /// The variable that has it.
        variable: String,
        /// What stands before `://`.
        scheme: String,
    },
}

/// A proxy, and the hosts that are reached without it. Only connections with TLS go through it.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The header for a proxy that wants to know its user.
    authorization: Option<String>,
    direct: Vec<Direct>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The proxy's address, without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A host that is reached without the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    Every,
    /// A name and all names below it, of every port or of one.
    Name(String, Option<u16>),
    /// The addresses of which these first bits are the same.
    Network(IpAddr, u32),
}

impl Proxy {
    /// The proxy that the variables `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` describe, as other programs read them. Their names
    /// may be in lower case.
    pub fn of_environment(read: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ProxyError> {
        let set = |name: &str| read(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let no_proxy = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
        for variable in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            if let Some(url) = set(variable) {
                return Self::parse(variable, &url, &no_proxy).map(Some);
            }
        }
        Ok(None)
    }

    fn parse(variable: &str, url: &str, no_proxy: &str) -> Result<Self, ProxyError> {
        let invalid = || ProxyError::Invalid { variable: variable.to_owned() };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        if !scheme.eq_ignore_ascii_case("http") {
            let scheme = scheme.chars().filter(char::is_ascii_graphic).take(20).collect();
            return Err(ProxyError::Scheme { variable: variable.to_owned(), scheme });
        }
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let address: Uri = format!("http://{}", address.trim_end_matches('/')).parse().map_err(|_| invalid())?;
        let host = address.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?.to_owned();
        if address.path() != "/" || address.query().is_some() {
            return Err(invalid());
        }
        let authorization = match user {
            Some(user) => Some(format!("Basic {}", STANDARD.encode(decoded(user).ok_or_else(invalid)?))),
            None => None,
        };
        let port = address.port_u16().unwrap_or(USUAL_PORT);
        Ok(Self { host, port, authorization, direct: no_proxy.split([',', ' ']).filter_map(direct).collect() })
    }

    /// Whether the server at this address is reached through the proxy.
    pub fn is_used_for(&self, server: &str) -> bool {
        server.starts_with("https://") && server.parse().is_ok_and(|server| self.is_for(&server))
    }

    /// Whether a server is reached through the proxy. This machine itself never is.
    pub(crate) fn is_for(&self, server: &Uri) -> bool {
        let host =
            server.host().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let port = server.port_u16().unwrap_or(HTTPS_PORT);
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|at| at.is_loopback());
        !is_here && !self.direct.iter().any(|direct| direct.has(&host, address, port))
    }

    /// Where the proxy itself is.
    pub(crate) fn uri(&self) -> Option<Uri> {
        format!("http://{self}").parse().ok()
    }

    /// Asks the proxy for a tunnel to the server.
    pub(crate) async fn open_tunnel(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        server: &Uri,
    ) -> Result<(), ConnectFailure> {
        let target = format!("{}:{}", server.host().unwrap_or_default(), server.port_u16().unwrap_or(HTTPS_PORT));
        let authorization = self.authorization.iter().map(|value| format!("Proxy-Authorization: {value}\r\n"));
        let authorization: String = authorization.collect();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
        let broken = |why: std::io::Error| self.failed(&format!("breaks the connection ({why})"));
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER_BYTES {
                return Err(self.failed("answers without an end"));
            }
            // What follows the answer would be the server's, which says nothing before it is greeted.
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(self.failed("ends the connection without an answer"));
                }
                Err(why) => return Err(broken(why)),
            }
        }
        self.judge(&answer, &target)
    }

    fn judge(&self, answer: &[u8], target: &str) -> Result<(), ConnectFailure> {
        let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
        let mut words = line.split(' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().and_then(|status| status.parse::<u16>().ok()).filter(|_| is_http);
        Err(match status {
            Some(200..=299) => return Ok(()),
            Some(407) if self.authorization.is_some() => self.failed("refuses the user or the password (407)"),
            Some(407) => {
                self.failed("asks for a user and a password (407): write them as http://USER:PASSWORD@HOST:PORT")
            }
            Some(status @ (502..=504)) => self.failed(&format!("does not reach {target} ({status})")),
            Some(status) => self.failed(&format!("refuses a connection to {target} ({status})")),
            None => self.failed("does not answer in HTTP"),
        })
    }

    pub(crate) fn failed(&self, what: &str) -> ConnectFailure {
        ConnectFailure::Unreachable(format!("the proxy {self} {what}"))
    }
}

impl Direct {
    fn has(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        match self {
            Self::Every => true,
            Self::Name(name, only) => {
                let is_below = host.strip_suffix(name.as_str()).is_some_and(|above| above.ends_with('.'));
                (host == name || is_below) && only.is_none_or(|only| only == port)
            }
            Self::Network(network, bits) => address.is_some_and(|address| have_same_bits(*network, address, *bits)),
        }
    }
}

fn have_same_bits(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let (one, other, all) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits()), u128::from(other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    bits <= all && (one ^ other).checked_shr(all - bits).unwrap_or(0) == 0
}

/// One entry of `NO_PROXY`: `*`, `example.org`, `.example.org`, `*.example.org`, `example.org:8443`, `10.0.0.7`, `10.0.0.0/8`
/// or `[::1]`.
fn direct(entry: &str) -> Option<Direct> {
    let entry = entry.trim().to_ascii_lowercase();
    if entry.is_empty() || entry == "*" {
        return (entry == "*").then_some(Direct::Every);
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return Some(Direct::Network(network.parse().ok()?, bits.parse().ok()?));
    }
    if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Direct::Network(address, if address.is_ipv4() { 32 } else { 128 }));
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (entry.as_str(), None),
    };
    let name = name.trim_start_matches('*').trim_matches('.');
    (!name.is_empty()).then(|| Direct::Name(name.to_owned(), port))
}

/// The bytes that a text of a URL stands for, in which `%40` stands for `@`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Proxy>, ProxyError> {
        let read =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Proxy::of_environment(read)
    }

    fn is_direct(no_proxy: &str, server: &str) -> bool {
        let proxy = of(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)]).unwrap().unwrap();
        !proxy.is_for(&server.parse().unwrap())
    }

    #[test]
    fn address_of_the_proxy_is_read_as_other_programs_read_it() {
        for (url, shown, header) in [
            ("http://proxy:3128", "proxy:3128", None),
            ("http://proxy/", "proxy:8080", None),
            ("proxy:1", "proxy:1", None),
            ("http://[::1]:3128", "[::1]:3128", None),
            ("http://ann:p%40ss@proxy:3128", "proxy:3128", Some("Basic YW5uOnBAc3M=")),
        ] {
            let proxy = of(&[("HTTPS_PROXY", url)]).unwrap().unwrap();
            assert_eq!((proxy.to_string().as_str(), proxy.authorization.as_deref()), (shown, header), "{url}");
            assert!(!format!("{proxy:?}").contains("p@ss"), "a password is never printed");
        }
        assert!(of(&[]).unwrap().is_none());
        assert!(of(&[("HTTPS_PROXY", " ")]).unwrap().is_none());
        // A proxy for connections without TLS would see the tokens.
        assert!(of(&[("HTTP_PROXY", "http://proxy:3128")]).unwrap().is_none());
        let both = of(&[("ALL_PROXY", "http://all:1"), ("https_proxy", "http://lower:2")]).unwrap().unwrap();
        assert_eq!(both.to_string(), "lower:2");
        for wrong in ["http://", "http://a b", "http://proxy:3128/path", "http://u%ZZ@proxy"] {
            let invalid = ProxyError::Invalid { variable: "HTTPS_PROXY".to_owned() };
            assert_eq!(of(&[("HTTPS_PROXY", wrong)]).unwrap_err(), invalid, "{wrong}");
        }
        let socks = of(&[("ALL_PROXY", "socks5://proxy:1080")]).unwrap_err().to_string();
        assert!(socks.contains("ALL_PROXY") && socks.contains("socks5"), "{socks}");
    }

    #[test]
    fn hosts_of_no_proxy_and_this_machine_are_reached_directly() {
        for (no_proxy, server, expected) in [
            ("", "https://example.org", false),
            ("", "https://localhost:8787", true),
            ("", "https://127.0.0.1:8787", true),
            ("", "https://[::1]:8787", true),
            ("*", "https://example.org", true),
            ("example.org", "https://example.org", true),
            ("example.org", "https://EXAMPLE.org.", true),
            ("example.org", "https://api.example.org", true),
            ("example.org", "https://notexample.org", false),
            (".example.org,other", "https://api.example.org", true),
            ("*.example.org", "https://api.example.org", true),
            ("other, example.org:8443", "https://example.org:8443", true),
            ("example.org:8443", "https://example.org", false),
            ("example.org:443", "https://example.org", true),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("10.0.0.7", "https://10.0.0.7:8443", true),
            ("0.0.0.0/0", "https://11.1.2.3", true),
            ("fd00::/8", "https://[fd00::7]", true),
            ("fd00::/8", "https://[fe00::7]", false),
            ("fd00::/999,nonsense/x,:", "https://[fd00::7]", false),
        ] {
            assert_eq!(is_direct(no_proxy, server), expected, "{no_proxy}: {server}");
        }
    }
}
