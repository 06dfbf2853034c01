//! Checks addresses and keys from the configuration at the start.

use std::net::IpAddr;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::SettingError;

/// Parses the address of a provider. `with_key` says whether a key is sent there.
pub(super) fn address(key: &'static str, text: &str, with_key: bool) -> Result<Url, SettingError> {
    let wrong = |why: &str| SettingError::new(key, why);
    let Ok(url) = Url::parse(text.trim()) else {
        return Err(wrong("must be an address such as https://speech.example.com"));
    };
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong("must begin with https:// or http://, and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user or a password: addresses are shown; a key has a setting of its own"));
    }
    if url.fragment().is_some() {
        return Err(wrong("must not hold a `#`"));
    }
    if with_key && url.scheme() == "http" {
        match network_of(&url) {
            Network::ThisMachine => {}
            Network::Local => tracing::warn!(
                setting = key,
                host = host_and_port(&url),
                "the key and all recordings are sent over plain HTTP: everybody in that network can read them"
            ),
            Network::Public => return Err(wrong("must begin with https://: a key is not sent over plain HTTP")),
        }
    }
    Ok(url)
}

/// The host of an address as people look for it: with its port, unless that follows from the scheme.
pub(super) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Where the host of an address is.
enum Network {
    ThisMachine,
    Local,
    Public,
}

fn network_of(url: &Url) -> Network {
    let ip = match url.host() {
        Some(Host::Domain(name)) => return network_of_name(name.trim_end_matches('.')),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        None => return Network::Public,
    };
    let local = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    if ip.is_loopback() {
        Network::ThisMachine
    } else if local {
        Network::Local
    } else {
        Network::Public
    }
}

/// Classifies a host name. Names without a dot are those of containers or of hosts in the local network.
fn network_of_name(name: &str) -> Network {
    const LOCAL_SUFFIXES: [&str; 5] = [".local", ".internal", ".lan", ".home.arpa", ".intranet"];
    if name == "localhost" || name.ends_with(".localhost") {
        Network::ThisMachine
    } else if !name.contains('.') || LOCAL_SUFFIXES.iter().any(|end| name.ends_with(end)) {
        Network::Local
    } else {
        Network::Public
    }
}

/// Whether the address is on this machine, so that no proxy is used for it.
pub(super) fn is_this_machine(url: &Url) -> bool {
    matches!(network_of(url), Network::ThisMachine)
}

/// The value of the `Authorization` header: `scheme` and the key.
pub(super) fn authorization(
    setting: &'static str,
    scheme: &str,
    key: &SecretString,
) -> Result<HeaderValue, SettingError> {
    let key = key.expose_secret();
    if key.trim().is_empty() {
        return Err(SettingError::new(setting, "is set, but empty"));
    }
    let odd = || SettingError::new(setting, "holds white space or other characters that no key has");
    if !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(odd());
    }
    let mut value = HeaderValue::from_str(&format!("{scheme} {key}")).map_err(|_| odd())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_for(text: &str, with_key: bool) -> Option<String> {
        address("engine.http.url", text, with_key).err().map(|error| error.to_string())
    }

    #[test]
    fn error_for_invalid_address_names_the_setting() {
        for wrong in
            ["", "speech.example.com", "ftp://speech.example.com", "http://", "//x", "https://x/#y", "file:///x"]
        {
            let error = error_for(wrong, false).unwrap_or_else(|| panic!("{wrong} was accepted"));
            assert!(error.starts_with("engine.http.url: must "), "{error}");
        }
        let error = error_for("https://user:hidden@speech.example.com", false).unwrap();
        assert!(!error.contains("hidden"), "{error}");
    }

    #[test]
    fn key_is_sent_over_plain_http_only_in_local_networks() {
        for fine in [
            "https://api.example.com",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://localhost:8000",
            "http://speaches:8000",
            "http://192.168.1.20:8000",
            "http://[fd00::1]:8000",
            "http://box.lan",
        ] {
            assert_eq!(error_for(fine, true), None, "{fine}");
        }
        for far in ["http://api.deepgram.com", "http://8.8.8.8", "http://[2001:db8::1]", "http://[::ffff:8.8.8.8]"] {
            assert!(error_for(far, true).unwrap().contains("https://"), "{far}");
            assert_eq!(error_for(far, false), None, "{far}");
        }
    }

    #[test]
    fn key_must_be_valid_and_is_never_shown() {
        let header = authorization("k", "Token", &"abc-123".into()).unwrap();
        assert_eq!(header, "Token abc-123");
        assert!(!format!("{header:?}").contains("abc"));
        for (wrong, why) in
            [("", "empty"), ("  ", "empty"), ("hid den", "white space"), ("hidden\n", "white space"), ("hidé", "")]
        {
            let error = authorization("engine.deepgram.api_key", "Token", &wrong.into()).unwrap_err().to_string();
            assert!(error.starts_with("engine.deepgram.api_key: ") && error.contains(why), "{error}");
            assert!(!error.contains("hid"), "{error}");
        }
    }
}
