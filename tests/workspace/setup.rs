//! The setup scripts: what they do when something is missing, wrong or interrupted. The programs that they download
//! with are replaced by fakes, so that no network is needed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A simulated machine: a folder of programs, and one of models.
struct Machine {
    folder: TempDir,
}

/// The programs that the scripts may use besides those for downloads.
const TOOLS: [&str; 23] = [
    "bash",
    "sh",
    "dirname",
    "grep",
    "sort",
    "cut",
    "tr",
    "mkdir",
    "mktemp",
    "rm",
    "find",
    "sha256sum",
    "shasum",
    "tar",
    "cp",
    "mv",
    "tail",
    "cat",
    "chmod",
    "cmp",
    "ln",
    "sed",
    "uname",
];

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(machine.path("bin")).unwrap();
        for tool in TOOLS {
            let found = std::env::var_os("PATH").and_then(|path| {
                std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|program| program.exists())
            });
            if let Some(found) = found {
                std::os::unix::fs::symlink(found, machine.path("bin").join(tool)).unwrap();
            }
        }
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Installs a program on this machine.
    fn with(self, name: &str, script: &str) -> Self {
        let program = self.path("bin").join(name);
        std::fs::write(&program, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.path("bin/bash"));
        command.arg(crate::root().join("scripts").join(name)).args(arguments).env_clear();
        command.env("PATH", self.path("bin")).env("AFTERWORD_MODELS", self.path("models"));
        command.env("XDG_CACHE_HOME", self.path("cache")).output().unwrap()
    }

    fn setup(&self, arguments: &[&str]) -> Output {
        self.script("setup-models", arguments)
    }

    /// The output of a failing setup, which must not leave anything behind.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.setup(arguments);
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(files_in(&self.path("models")), Vec::<String>::new(), "no partial files are left");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn setup_without_npm_says_what_to_do() {
    let output_text = Machine::new().refused(&[]);
    assert!(output_text.contains("missing: `npm`, through which packages are fetched"), "{output_text}");
    assert!(output_text.contains("apt-get install npm") && output_text.contains("brew install node"), "{output_text}");
}

#[test]
fn setup_lists_everything_that_is_missing_at_once() {
    let output = Machine::new().script("setup", &[]);
    let output_text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert_eq!(output_text.matches("these are missing:").count(), 1, "{output_text}");
    for missing in ["- `cargo`: install Rust", "- `cc`", "- `npm`", "- `python3`, through which"] {
        assert!(output_text.contains(missing), "{missing} is not in\n{output_text}");
    }
}

#[test]
fn missing_cmake_is_installed_from_pypi_once() {
    let python = "case \"$*\" in
        *download*cmake==*) echo fetched >>\"$XDG_CACHE_HOME/fetched\";
            while [ \"$1\" != --dest ]; do shift; done; mkdir -p \"$2\"; echo wheel >\"$2/cmake.whl\" ;;
        *zipfile*) mkdir -p \"$5/cmake/data/bin\"; printf '#!/bin/sh\\necho it runs\\n' >\"$5/cmake/data/bin/cmake\" ;;
    esac";
    let machine = Machine::new().with("python3", python);
    for _ in 0..2 {
        let output = machine.script("setup-tools", &[]);
        assert!(output.status.success(), "{output:?}");
    }
    let ran = Command::new(machine.path("cache/afterword/tools/bin/cmake")).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "it runs\n");
    assert_eq!(std::fs::read_to_string(machine.path("cache/fetched")).unwrap(), "fetched\n");
}

#[test]
fn missing_prometheus_is_unpacked_from_debians_package_once_and_not_installed() {
    let apt = "[ \"$1\" = download ] && echo fetched >>\"$XDG_CACHE_HOME/fetched\" && echo deb >prometheus_2.deb";
    let dpkg = "mkdir -p \"$3/usr/bin\"; for program in prometheus promtool; do
            printf '#!/bin/sh\\necho it runs\\n' >\"$3/usr/bin/$program\"; chmod +x \"$3/usr/bin/$program\"; done";
    let machine = Machine::new().with("apt-get", apt).with("dpkg-deb", dpkg);
    for _ in 0..2 {
        let output = machine.script("setup-prometheus", &[]);
        assert!(output.status.success(), "{output:?}");
    }
    let ran = Command::new(machine.path("cache/afterword/tools/bin/promtool")).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "it runs\n");
    assert_eq!(std::fs::read_to_string(machine.path("cache/fetched")).unwrap(), "fetched\n");
}

#[test]
fn setup_says_how_to_get_prometheus_where_it_cannot_fetch_it() {
    let without = Machine::new().script("setup-prometheus", &[]);
    let broken =
        Machine::new().with("apt-get", "echo no network >&2; exit 1").with("dpkg-deb", "").with("id", "echo 0");
    for (output, what) in [(without, "brew install prometheus"), (broken.script("setup-prometheus", &[]), "no network")]
    {
        let output_text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && output_text.contains(what), "{output_text}");
    }
}

#[test]
fn installed_cmake_is_used() {
    let machine = Machine::new().with("cmake", "").with("python3", "exit 1");
    assert!(machine.script("setup-tools", &[]).status.success());
    assert!(!machine.path("cache").exists());
}

#[test]
fn offline_setup_downloads_nothing_and_names_what_is_missing() {
    let machine = Machine::new().with("npm", "echo npm was called >&2; exit 1");
    let output_text = machine.refused(&["--offline"]);
    assert!(
        output_text.contains("@moonshine-ai/moonshine-js@0.1.29") && output_text.contains("silero-vad==6.2.3"),
        "{output_text}"
    );
    assert!(output_text.contains("make setup") && !output_text.contains("npm was called"), "{output_text}");
    assert!(machine.refused(&["--offline", "--base"]).contains("@usefulsensors/moonshine-js@0.1.15"));
}

#[test]
fn network_failure_is_reported_with_the_output_of_npm() {
    let output_text = Machine::new().with("npm", "echo getaddrinfo ENOTFOUND >&2; exit 1").refused(&[]);
    assert!(
        output_text.contains("ENOTFOUND")
            && output_text.contains("npm cannot fetch")
            && output_text.contains("network?"),
        "{output_text}"
    );
}

#[test]
fn package_with_a_wrong_file_is_not_installed() {
    let npm =
        "mkdir -p package/dist/model/tiny/quantized && echo other >package/dist/model/tiny/quantized/encoder_model.onnx
               echo text >package/LICENSE && tar -czf it.tgz package && echo it.tgz";
    let output_text = Machine::new()
        .with("npm", npm)
        .with("gzip", "exec /usr/bin/env -i PATH=/usr/bin:/bin gzip \"$@\"")
        .refused(&[]);
    assert!(
        output_text.contains("is not the file that is expected") && output_text.contains("was not installed"),
        "{output_text}"
    );
}

#[test]
fn existing_files_are_kept_and_nothing_is_printed() {
    let models = std::env::var_os("AFTERWORD_MODELS").map(std::path::PathBuf::from).unwrap_or_else(|| {
        let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache");
        std::env::var_os("XDG_CACHE_HOME").map_or_else(home, Into::into).join("afterword/models")
    });
    let machine = Machine::new();
    std::os::unix::fs::symlink(models, machine.path("models")).unwrap();
    let output = machine.setup(&[]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert!(machine.setup(&["--offline"]).status.success());
    assert!(!machine.setup(&["--ofline"]).status.success());
}
