//! Addresses and keys as a person writes them, judged at the start.

use std::net::IpAddr;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::SettingError;

/// The address of a provider. `with_key`: a key is sent there.
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
        match near(&url) {
            Near::Here => {}
            Near::House => tracing::warn!(
                setting = key,
                host = url.host_str(),
                "the key and all recordings go over plain HTTP: everybody in that network can read them"
            ),
            Near::Services => return Err(wrong("must begin with https://: a key is not sent over plain HTTP")),
        }
    }
    Ok(url)
}

enum Near {
    /// This machine.
    Here,
    /// A network of one's own.
    House,
    Services,
}

fn near(url: &Url) -> Near {
    let ip = match url.host() {
        Some(Host::Domain(name)) => return near_name(name.trim_end_matches('.')),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        None => return Near::Services,
    };
    let house = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    if ip.is_loopback() {
        Near::Here
    } else if house {
        Near::House
    } else {
        Near::Services
    }
}

/// Names without a dot are those of containers and of a house's router.
fn near_name(name: &str) -> Near {
    const HOUSE: [&str; 5] = [".local", ".internal", ".lan", ".home.arpa", ".intranet"];
    if name == "localhost" || name.ends_with(".localhost") {
        Near::Here
    } else if !name.contains('.') || HOUSE.iter().any(|end| name.ends_with(end)) {
        Near::House
    } else {
        Near::Services
    }
}

/// Whether the address is one of this machine: no proxy stands before it.
pub(super) fn is_here(url: &Url) -> bool {
    matches!(near(url), Near::Here)
}

/// What proves who asks: `scheme` and the key.
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

    fn said(text: &str, with_key: bool) -> Option<String> {
        address("engine.http.url", text, with_key).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for wrong in
            ["", "speech.example.com", "ftp://speech.example.com", "http://", "//x", "https://x/#y", "file:///x"]
        {
            let said = said(wrong, false).unwrap_or_else(|| panic!("{wrong} went through"));
            assert!(said.starts_with("engine.http.url: must "), "{said}");
        }
        let said = said("https://user:hidden@speech.example.com", false).unwrap();
        assert!(!said.contains("hidden"), "{said}");
    }

    #[test]
    fn a_key_goes_over_plain_http_only_within_ones_own_walls() {
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
            assert_eq!(said(fine, true), None, "{fine}");
        }
        for far in ["http://api.deepgram.com", "http://8.8.8.8", "http://[2001:db8::1]", "http://[::ffff:8.8.8.8]"] {
            assert!(said(far, true).unwrap().contains("https://"), "{far}");
            assert_eq!(said(far, false), None, "{far}");
        }
    }

    #[test]
    fn a_key_is_whole_and_never_shown() {
        let header = authorization("k", "Token", &"abc-123".into()).unwrap();
        assert_eq!(header, "Token abc-123");
        assert!(!format!("{header:?}").contains("abc"));
        for (wrong, why) in
            [("", "empty"), ("  ", "empty"), ("hid den", "white space"), ("hidden\n", "white space"), ("hidé", "")]
        {
            let said = authorization("engine.deepgram.api_key", "Token", &wrong.into()).unwrap_err().to_string();
            assert!(said.starts_with("engine.deepgram.api_key: ") && said.contains(why), "{said}");
            assert!(!said.contains("hid"), "{said}");
        }
    }
}
