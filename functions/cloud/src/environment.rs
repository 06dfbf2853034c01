//! Settings that Google's own tools read from the environment, read from the same variables.

use anyhow::{Result, bail};
use axum::http::Uri;

/// Variables with the project; the first one that is set counts.
const PROJECT: [&str; 3] = ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub project: Option<String>,
    /// The addresses of emulators.
    pub firestore: Option<String>,
    pub storage: Option<String>,
    pub storage_grpc: Option<String>,
    pub tasks: Option<String>,
    /// The unchanged value of the variable; the identity adapter checks it.
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

    /// The emulators that are set: with any of them some services are not Google's.
    pub fn emulators(&self) -> Vec<&str> {
        let all = [&self.firestore, &self.storage, &self.storage_grpc, &self.tasks, &self.firebase_auth];
        all.into_iter().filter_map(Option::as_deref).collect()
    }
}

/// Turns the value into an address: some tools write a host and a port, some an address.
fn address(variable: &str, host: &str) -> Result<String> {
    let host = host.trim().trim_end_matches('/');
    let address = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
    // A port, if there is one, has to be a number.
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
    fn hosts_become_addresses_and_empty_variables_are_ignored() {
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
    fn invalid_host_is_reported_with_its_variable() {
        for host in ["some host", "http://", "127.0.0.1:port"] {
            let read = Environment::read(|name: &str| (name == "STORAGE_EMULATOR_HOST").then(|| host.to_owned()));
            let why = read.unwrap_err().to_string();
            assert!(why.contains("STORAGE_EMULATOR_HOST: `") && why.contains("such as 127.0.0.1:8080"), "{why}");
        }
    }
}
