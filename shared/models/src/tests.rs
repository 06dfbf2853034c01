use std::collections::BTreeSet;
use std::ffi::OsString;

use super::*;

fn folder_with(name: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    folder
}

fn at(folder: &std::path::Path) -> Models {
    Models::new(folder.to_str().unwrap())
}

#[test]
fn every_line_of_the_list_is_a_file_and_every_model_has_a_licence() {
    let lines = include_str!("../models.list").lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(files().len(), lines);
    for file in files() {
        assert!(file.sha256.len() == 64 && file.sha256 == file.sha256.to_lowercase(), "{file:?}");
        assert!(files().iter().any(|other| other.is_licence() && other.model() == file.model()), "{file:?}");
    }
    let names: BTreeSet<_> = files().iter().map(|file| file.name).collect();
    assert_eq!(names.len(), lines);
    for name in moonshine("tiny").iter().chain(&moonshine("base")).map(String::as_str).chain([SILERO]) {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn error_for_missing_file_names_the_path_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    // This model is never embedded.
    let [name, ..] = moonshine("base");
    let error = at(folder.path()).bytes(&name).unwrap_err();
    let path = folder.path().join(&name);
    assert!(error.is_missing());
    assert_eq!(
        error.to_string(),
        format!(
            "the model file {name} is missing: it is not at {}; run `make setup`, or set engine.models to the folder \
             that has it",
            path.display()
        )
    );
}

#[test]
fn file_with_wrong_content_or_length_is_rejected() {
    let licence = files().iter().find(|file| file.name == "silero/LICENSE").unwrap();
    let length = usize::try_from(licence.bytes).unwrap();
    for wrong in [vec![b'x'; length], vec![b'x'; length - 1], vec![b'x'; length + 1], Vec::new()] {
        let folder = folder_with(licence.name, &wrong);
        let error = at(folder.path()).bytes(licence.name).unwrap_err();
        assert!(!error.is_missing());
        let message = error.to_string();
        assert!(message.contains("is not the one that is expected") && message.contains(licence.sha256), "{message}");
        assert!(message.contains(folder.path().to_str().unwrap()) && message.contains("make setup"), "{message}");
    }
}

#[test]
fn folder_instead_of_a_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(SILERO)).unwrap();
    let message = at(folder.path()).bytes(SILERO).unwrap_err().to_string();
    assert!(message.contains("cannot be read"), "{message}");
}

#[test]
fn file_is_read_only_once() {
    // This test needs the models, which `make test` fetches.
    let models = Models::new("");
    let first = models.bytes(SILERO).unwrap();
    let again = models.bytes(SILERO).unwrap();
    assert!(std::ptr::eq(first, again));
    assert!(files().iter().find(|file| file.name == SILERO).unwrap().is(first));
}

#[test]
fn cache_folder_comes_from_the_first_variable_that_is_set() {
    let of = |variables: &[(&str, &str)]| {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        list::cache_folder(find).map(|folder| folder.to_str().unwrap().to_owned())
    };
    let all = [("AFTERWORD_MODELS", "/m"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
    assert_eq!(of(&all).unwrap(), "/m");
    assert_eq!(of(&all[1..]).unwrap(), "/x/afterword/models");
    assert_eq!(of(&[("AFTERWORD_MODELS", ""), ("HOME", "/h")]).unwrap(), "/h/.cache/afterword/models");
    assert_eq!(of(&[]), None);
    let nowhere = Models::with("", |_| None::<OsString>);
    if !are_embedded() {
        let message = nowhere.bytes(SILERO).unwrap_err().to_string();
        assert!(
            message.contains("engine.models, AFTERWORD_MODELS, XDG_CACHE_HOME and HOME are all unset"),
            "{message}"
        );
    }
}

#[test]
fn embedded_file_is_used_if_the_configured_folder_lacks_it() {
    if are_embedded() {
        let empty = tempfile::tempdir().unwrap();
        let bytes = at(empty.path()).bytes(SILERO).unwrap();
        assert!(files().iter().find(|file| file.name == SILERO).unwrap().is(bytes));
    }
}

#[test]
fn file_outside_of_the_list_is_not_read() {
    let message = Models::new("").bytes("../../etc/passwd").unwrap_err().to_string();
    assert_eq!(message, "`../../etc/passwd` is no model file of this version");
}
