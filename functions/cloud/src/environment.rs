//! What Google's own tools are told by the environment, and we by the same variables.

use anyhow::{Result, bail};
use axum::http::Uri;

/// The first of these that is set.
const PROJECT: [&str; 3] = ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub project: Option<String>,
    /// Emulators, as addresses.
    pub firestore: Option<String>,
    pub storage: Option<String>,
    pub storage_grpc: Option<String>,
    pub tasks: Option<String>,
    /// As the variable says: the identity judges it.
    pub firebase_auth: Option<String>,
}

impl Environment {
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let address = |name: &str| set(name).map(|host| address(name, &host)).transpose();
        Ok(Self {
            project: PROJECT.iter().find_map(|name| set(name)),
            firestore: address("FIRESTORE_EMULATOR_HOST")?,
            storage: address("STORAGE_EMULATOR_HOST")?,
            storage_grpc: address("STORAGE_EMULATOR_GRPC_HOST")?,
            tasks: address("CLOUD_TASKS_EMULATOR_HOST")?,
            firebase_auth: set("FIREBASE_AUTH_EMULATOR_HOST"),
        })
    }

    /// With any of them, not everything is Google.
    pub fn emulators(&self) -> Vec<&str> {
        let all = [&self.firestore, &self.storage, &self.storage_grpc, &self.tasks, &self.firebase_auth];
        all.into_iter().filter_map(Option::as_deref).collect()
    }
}

/// Some tools write a host and a port, some an address.
fn address(variable: &str, host: &str) -> Result<String> {
    let host = host.trim().trim_end_matches('/');
    let address = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
    // A port that is written has to be one.
    let is_one = |it: Uri| {
        it.authority().is_some_and(|it| !it.host().is_empty() && (it.port_u16().is_some() || it.as_str() == it.host()))
    };
    if !address.parse::<Uri>().is_ok_and(is_one) {
        bail!("configuration: {variable}: `{host}` is no host with its port; such as 127.0.0.1:8080");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_addresses_and_empty_variables_are_not_set() {
        let variables = [
            ("GCLOUD_PROJECT", "demo-a"),
            ("GOOGLE_CLOUD_PROJECT", " "),
            ("FIRESTORE_EMULATOR_HOST", "127.0.0.1:8080"),
            ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9000/"),
        ];
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let environment = Environment::read(find).unwrap();
        assert_eq!(environment.project.as_deref(), Some("demo-a"));
        assert_eq!(environment.emulators(), ["http://127.0.0.1:8080", "http://127.0.0.1:9000"]);
    }

    #[test]
    fn what_is_no_host_is_named() {
        for host in ["some host", "http://", "127.0.0.1:port"] {
            let read = Environment::read(|name: &str| (name == "STORAGE_EMULATOR_HOST").then(|| host.to_owned()));
            let why = read.unwrap_err().to_string();
            assert!(why.contains("STORAGE_EMULATOR_HOST: `") && why.contains("such as 127.0.0.1:8080"), "{why}");
        }
    }
}
