//! Dependencies point one way: the rules of `docs/ARCHITECTURE.md`, over what cargo says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// What each crate may know of this workspace, outside its tests. A crate is called by its folder.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("shared/domain", &[]),
    ("shared/audio", &["shared/domain"]),
    ("shared/speech", &["shared/domain"]),
    ("shared/whisper", &["shared/speech"]),
    ("shared/models", &[]),
    ("shared/hearing", &["shared/audio", "shared/config", "shared/models", "shared/speech", "shared/whisper"]),
    ("shared/flow", &["shared/domain", "shared/audio", "shared/speech"]),
    ("shared/config", &["shared/domain", "shared/flow", "shared/http"]),
    ("shared/http", &["shared/domain", "shared/flow"]),
    ("shared/system", &["shared/domain", "shared/flow"]),
    ("shared/local", &["shared/domain", "shared/flow", "shared/system"]),
    ("shared/gcp", &["shared/domain", "shared/flow"]),
    ("shared/hosting", &["shared/http"]),
    (
        "functions/cloud",
        &[
            "shared/domain",
            "shared/flow",
            "shared/audio",
            "shared/speech",
            "shared/hearing",
            "shared/config",
            "shared/http",
            "shared/hosting",
            "shared/system",
            "shared/gcp",
            "functions/upload",
            "functions/process",
        ],
    ),
    ("shared/testkit", &["shared/domain", "shared/flow"]),
    ("functions/upload", &["shared/domain", "shared/flow", "shared/http"]),
    ("functions/process", &["shared/domain", "shared/flow", "shared/http"]),
    (
        "functions/embedded",
        &[
            "shared/domain",
            "shared/flow",
            "shared/audio",
            "shared/speech",
            "shared/hearing",
            "shared/system",
            "shared/config",
            "shared/http",
            "shared/local",
            "functions/upload",
            "functions/process",
        ],
    ),
    // The commands beside `serve` work on a data folder: hence the ports and the local adapters.
    (
        "client/cli",
        &[
            "shared/domain",
            "shared/flow",
            "shared/config",
            "shared/http",
            "shared/local",
            "shared/system",
            "functions/embedded",
        ],
    ),
];

/// The crates of the cloud: the program for one machine links none of them.
const CLOUD: &[&str] = &["google-cloud", "gcloud", "firestore", "lambda_http", "lambda_runtime", "lambda-"];
/// What makes a rule wait, look at the world, or read a clock.
const NOT_FOR_RULES: &[&str] =
    &["tokio", "futures-util", "async-trait", "rusqlite", "hyper", "reqwest", "rand", "getrandom"];

/// Package names by package name, without what only tests need; and folders of the workspace's own.
struct Graph {
    folders: BTreeMap<String, String>,
    normal: BTreeMap<String, BTreeSet<String>>,
    dev: BTreeMap<String, BTreeSet<String>>,
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
    let mut graph = Graph { folders: BTreeMap::new(), normal: BTreeMap::new(), dev: BTreeMap::new() };
    graph.folders = list(&metadata["workspace_members"]).iter().map(|id| (name(id), folder(id))).collect();
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

    /// Folders of the workspace that a package names itself.
    fn knows(&self, package: &str) -> BTreeSet<&str> {
        let named = self.normal.get(package).into_iter().flatten();
        named.filter_map(|name| self.folders.get(name)).map(String::as_str).collect()
    }

    /// Everything that is linked into a package.
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

/// What lies in `tests` ships nowhere, and may know everything.
fn is_tests(folder: &str) -> bool {
    folder.split('/').next() == Some("tests")
}

#[test]
fn every_crate_knows_only_what_stands_below_it() {
    for (folder, may_know) in MAY_KNOW {
        let knows = GRAPH.knows(GRAPH.package(folder));
        let too_much: Vec<_> = knows.iter().filter(|known| !may_know.contains(known)).collect();
        assert!(too_much.is_empty(), "{folder} must not depend on {too_much:?}");
    }
}

#[test]
fn every_crate_has_its_place_in_the_rules() {
    let placed: BTreeSet<&str> = MAY_KNOW.iter().map(|(folder, _)| *folder).collect();
    let there: BTreeSet<&str> = GRAPH.folders.values().map(String::as_str).filter(|folder| !is_tests(folder)).collect();
    assert_eq!(there, placed);
}

#[test]
fn the_test_kit_is_linked_into_nothing_that_ships() {
    for (package, folder) in &GRAPH.folders {
        if !is_tests(folder) {
            assert!(!GRAPH.knows(package).contains("shared/testkit"), "{folder} links the test kit");
        }
    }
}

#[test]
fn nothing_depends_on_the_program_and_only_tests_on_tests() {
    for (package, folder) in &GRAPH.folders {
        let dev = GRAPH.dev.get(package).into_iter().flatten().filter_map(|name| GRAPH.folders.get(name));
        // The tests of an adapter start what plays its other side.
        let dev = dev.map(String::as_str).filter(|known| *known != "tests/emulators");
        let mut all = GRAPH.knows(package).into_iter().chain(dev);
        let wrong = all.find(|known| *known == "client/cli" || is_tests(known) && !is_tests(folder));
        assert_eq!(wrong, None, "{folder} depends on it");
    }
}

#[test]
fn the_program_for_one_machine_links_nothing_of_the_cloud() {
    let links = GRAPH.links(GRAPH.package("client/cli"));
    assert!(links.contains("axum"), "the graph is not read right");
    let cloud: Vec<_> = links.iter().filter(|name| CLOUD.iter().any(|cloud| name.starts_with(cloud))).collect();
    assert!(cloud.is_empty(), "{cloud:?}");
}

#[test]
fn the_rules_name_nothing_that_waits_or_looks_at_the_world() {
    let named = &GRAPH.normal[GRAPH.package("shared/domain")];
    assert!(named.contains("serde"), "the graph is not read right");
    let found: Vec<_> = NOT_FOR_RULES.iter().filter(|name| named.contains(**name)).collect();
    assert!(found.is_empty(), "shared/domain names {found:?}");
}
