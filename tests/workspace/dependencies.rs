//! Dependencies point one way: checks the rules of `docs/ARCHITECTURE.md` against cargo's metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The crates of this workspace that each crate may depend on, outside its tests. A crate is named by its folder.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("shared/domain", &[]),
    ("shared/formats", &["domain"]),
    ("shared/audio", &["domain"]),
    ("shared/speech", &["domain"]),
    ("shared/whisper", &["speech"]),
    ("shared/models", &[]),
    ("shared/flow", &["domain", "audio", "speech"]),
    ("shared/edge", &["domain", "flow"]),
    ("shared/api", &["domain", "flow", "edge"]),
    ("shared/config", &["domain", "flow", "edge", "speech"]),
    ("shared/engines", &["audio", "config", "models", "speech", "whisper"]),
    ("shared/terminal", &["domain"]),
    ("shared/system", &["domain", "flow", "terminal"]),
    ("shared/local", &["domain", "flow", "system"]),
    ("shared/gcp", &["domain", "flow"]),
    ("shared/testkit", &["domain", "flow"]),
    // It runs on phones: it knows the rules of names and codes, and nothing of the server.
    ("client/engine", &["domain"]),
    ("client/simulator", &["engine"]),
    ("client/network", &["engine"]),
    ("client/cli", &["domain", "engine", "formats", "network", "terminal"]),
    // The commands beside `serve` work on a data folder, therefore they need the ports and the local adapters.
    (
        "functions/embedded",
        &["domain", "flow", "audio", "speech", "engines", "config", "edge", "api", "system", "local", "cli"],
    ),
    ("functions/cloud", &["domain", "flow", "audio", "speech", "engines", "config", "edge", "api", "system", "gcp"]),
];

/// The crates for the cloud: the program for one machine links none of them.
const CLOUD: &[&str] = &["google-cloud", "gcloud", "firestore", "lambda_http", "lambda_runtime", "lambda-"];
/// Crates that wait, do input or output, or read a clock.
const NOT_FOR_RULES: &[&str] =
    &["tokio", "futures-util", "async-trait", "rusqlite", "hyper", "reqwest", "rand", "getrandom"];

/// Crates that a phone's app may not have, or has in another way: runtimes, TLS, HTTP.
const NOT_ON_DEVICES: &[&str] =
    &["tokio", "hyper", "reqwest", "axum", "rustls", "aws-lc-sys", "ring", "openssl-sys", "native-tls", "opusic-sys"];

/// Dependencies by package name, without dev-dependencies; and the folders of the workspace's own packages.
struct Graph {
    folders: BTreeMap<String, String>,
    normal: BTreeMap<String, BTreeSet<String>>,
    dev: BTreeMap<String, BTreeSet<String>>,
    /// Libraries of the workspace's own packages whose name differs from their package.
    renamed: Vec<String>,
}

static GRAPH: LazyLock<Graph> = LazyLock::new(|| {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(crate::root()).output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    graph(&serde_json::from_slice(&output.stdout).unwrap())
});

fn graph(metadata: &Value) -> Graph {
    let root = metadata["workspace_root"].as_str().unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|p| (text(&p["id"]), p)).collect();
    let name = |id: &Value| text(&packages[id.as_str().unwrap()]["name"]);
    let folder = |id: &Value| {
        let manifest = text(&packages[id.as_str().unwrap()]["manifest_path"]);
        manifest.strip_prefix(root).unwrap().trim_matches('/').trim_end_matches("/Cargo.toml").to_owned()
    };
    let members = list(&metadata["workspace_members"]);
    let mut graph =
        Graph { folders: BTreeMap::new(), normal: BTreeMap::new(), dev: BTreeMap::new(), renamed: Vec::new() };
    graph.folders = members.iter().map(|id| (name(id), folder(id))).collect();
    for member in &members {
        let targets = list(&packages[member.as_str().unwrap()]["targets"]);
        let libraries = targets.iter().filter(|target| list(&target["kind"]).contains(&"lib".into()));
        graph
            .renamed
            .extend(libraries.map(|library| text(&library["name"])).filter(|library| *library != name(member)));
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let from = name(&node["id"]);
        for dependency in list(&node["deps"]) {
            for kind in list(&dependency["dep_kinds"]) {
                let into = if kind["kind"] == "dev" { &mut graph.dev } else { &mut graph.normal };
                into.entry(from.clone()).or_default().insert(name(&dependency["pkg"]));
            }
        }
    }
    graph
}

impl Graph {
    fn package(&self, folder: &str) -> &str {
        let found = self.folders.iter().find(|(_, at)| *at == folder);
        found.unwrap_or_else(|| panic!("{folder} is no crate of this workspace")).0
    }

    /// The packages of the workspace on which a package depends directly.
    fn knows(&self, package: &str) -> BTreeSet<&str> {
        let named = self.normal.get(package).into_iter().flatten();
        named.filter(|name| self.folders.contains_key(*name)).map(String::as_str).collect()
    }

    /// Every package that is linked into a package.
    fn links(&self, package: &str) -> BTreeSet<&str> {
        let (mut all, mut open) = (BTreeSet::new(), vec![package]);
        while let Some(name) = open.pop() {
            for next in self.normal.get(name).into_iter().flatten() {
                if all.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        all
    }
}

/// The folders of all crates of the workspace.
pub fn folders() -> impl Iterator<Item = &'static str> {
    GRAPH.folders.values().map(String::as_str)
}

/// Crates below `tests` are never shipped, and may depend on everything.
fn is_tests(folder: &str) -> bool {
    folder.split('/').next() == Some("tests")
}

#[test]
fn every_crate_depends_only_on_crates_below_it() {
    for (folder, may_know) in MAY_KNOW {
        let knows = GRAPH.knows(GRAPH.package(folder));
        let too_much: Vec<_> = knows.iter().filter(|known| !may_know.contains(*known)).collect();
        assert!(too_much.is_empty(), "{folder} must not depend on {too_much:?}");
    }
}

#[test]
fn every_crate_is_listed_in_the_rules() {
    let placed: BTreeSet<&str> = MAY_KNOW.iter().map(|(folder, _)| *folder).collect();
    let there: BTreeSet<&str> = GRAPH.folders.values().map(String::as_str).filter(|folder| !is_tests(folder)).collect();
    assert_eq!(there, placed);
}

#[test]
fn crate_folder_package_and_library_have_one_name() {
    let wrong: Vec<_> = GRAPH.folders.iter().filter(|(name, folder)| folder.rsplit('/').next() != Some(name)).collect();
    assert!(wrong.is_empty(), "the package and its folder have two names: {wrong:?}");
    assert!(GRAPH.renamed.is_empty(), "the library and its package have two names: {:?}", GRAPH.renamed);
}

#[test]
fn testkit_is_not_linked_into_shipped_programs() {
    for (package, folder) in &GRAPH.folders {
        if !is_tests(folder) {
            assert!(!GRAPH.knows(package).contains("testkit"), "{folder} links the test kit");
        }
    }
}

#[test]
fn no_crate_depends_on_programs_and_only_tests_depend_on_tests() {
    for (package, folder) in &GRAPH.folders {
        let dev = GRAPH.dev.get(package).into_iter().flatten().filter(|name| GRAPH.folders.contains_key(*name));
        // The tests of an adapter start the emulator of its service.
        let dev = dev.map(String::as_str).filter(|known| *known != "emulators");
        let mut all = GRAPH.knows(package).into_iter().chain(dev).map(|known| GRAPH.folders[known].as_str());
        let wrong = all.find(|known| known.starts_with("functions/") || is_tests(known) && !is_tests(folder));
        assert_eq!(wrong, None, "{folder} depends on it");
    }
}

#[test]
fn program_for_one_machine_links_no_cloud_crates() {
    let links = GRAPH.links(GRAPH.package("functions/embedded"));
    assert!(links.contains("axum"), "the dependency graph is parsed wrongly");
    let cloud: Vec<_> = links.iter().filter(|name| CLOUD.iter().any(|cloud| name.starts_with(cloud))).collect();
    assert!(cloud.is_empty(), "{cloud:?}");
}

#[test]
fn commands_of_users_link_nothing_of_the_server() {
    let links = GRAPH.links(GRAPH.package("client/cli"));
    assert!(links.contains("hyper"), "the dependency graph is parsed wrongly");
    let server: Vec<_> = ["flow", "edge", "api", "local", "gcp", "config", "axum"]
        .into_iter()
        .filter(|name| links.contains(name))
        .collect();
    assert!(server.is_empty(), "{server:?}");
}

#[test]
fn device_engine_links_no_runtime_and_no_network() {
    let links = GRAPH.links(GRAPH.package("client/engine"));
    assert!(links.contains("rusqlite"), "the dependency graph is parsed wrongly");
    let found: Vec<_> = NOT_ON_DEVICES.iter().filter(|name| links.contains(**name)).collect();
    assert!(found.is_empty(), "client/engine links {found:?}");
}

#[test]
fn domain_rules_use_no_async_io_or_clock_crates() {
    let named = &GRAPH.normal[GRAPH.package("shared/domain")];
    assert!(named.contains("serde"), "the dependency graph is parsed wrongly");
    let found: Vec<_> = NOT_FOR_RULES.iter().filter(|name| named.contains(**name)).collect();
    assert!(found.is_empty(), "shared/domain names {found:?}");
}
