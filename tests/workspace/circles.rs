//! The files of a crate do not use each other in a circle: a reader can read what a file uses first.
//!
//! An edge is a `use` of something that another file of the crate defines. A parent that re-exports names of its parts
//! (`pub use part::Thing`) has no edge to them; a file that takes the name from the parent has an edge to the part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The path of a module in its crate: `["process", "delivery"]`; the root is empty.
type Module = Vec<String>;

/// One crate: what each of its files uses from outside, without tests.
struct Crate {
    /// The paths after `use`, one for each name, and whether they are re-exported.
    uses: BTreeMap<Module, Vec<(bool, String)>>,
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut uses = BTreeMap::new();
        let mut open = vec![(src.to_owned(), Vec::new())];
        while let Some((folder, module)) = open.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() && name != "bin" && name != "tests" {
                    open.push((path, [&module[..], &[name]].concat()));
                } else if path.extension().is_some_and(|extension| extension == "rs") && !name.starts_with("test") {
                    let is_root = module.is_empty() && (name == "lib" || name == "main");
                    let module = if is_root { Vec::new() } else { [&module[..], &[name]].concat() };
                    uses.insert(module, uses_of(&std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        Self { uses }
    }

    /// The path from the root of the crate; `None` if it leads to another crate.
    fn absolute(&self, from: &Module, path: &str) -> Option<Module> {
        let mut parts: Vec<String> = path.split("::").map(str::to_owned).collect();
        let mut base = from.clone();
        match parts[0].as_str() {
            "crate" => return Some(parts.split_off(1)),
            "self" => parts = parts.split_off(1),
            "super" => {
                while parts.first().is_some_and(|part| part == "super") {
                    parts.remove(0);
                    base.pop();
                }
            }
            first if self.uses.contains_key(&[&from[..], &[first.to_owned()]].concat()) => {}
            _ => return None,
        }
        Some([base, parts].concat())
    }

    /// The file that defines the item of this path, found through re-exports.
    fn file_of(&self, path: &Module, depth: usize) -> Option<Module> {
        if self.uses.contains_key(path) {
            return Some(path.clone());
        }
        let file = (0..path.len()).rev().map(|end| path[..end].to_vec()).find(|file| self.uses.contains_key(file))?;
        let name = &path[file.len()];
        let given_on = self.uses[&file].iter().filter(|(is_given_on, _)| *is_given_on);
        let found = given_on.filter_map(|(_, used)| self.absolute(&file, used)).find(|used| used.last() == Some(name));
        match found {
            Some(found) if depth > 0 => self.file_of(&[found, path[file.len() + 1..].to_vec()].concat(), depth - 1),
            _ => Some(file),
        }
    }

    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let of = |from: &Module, uses: &[(bool, String)]| {
            let files = uses.iter().filter_map(|(is_given_on, path)| {
                let file = self.file_of(&self.absolute(from, path)?, 8)?;
                let is_part = file.starts_with(from);
                (file != *from && !(*is_given_on && is_part)).then_some(file)
            });
            files.collect()
        };
        self.uses.iter().map(|(from, uses)| (from.clone(), of(from, uses))).collect()
    }
}

/// Every path in the `use` statements of a source, outside its tests.
fn uses_of(source: &str) -> Vec<(bool, String)> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: String = code.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect();
    let mut found = Vec::new();
    for statement in code.split(';') {
        // Whatever precedes the statement ends with a line of its own: an attribute, a brace.
        let Some(at) = statement.rfind("use ") else { continue };
        let before = statement[..at].rsplit('\n').next().unwrap().trim();
        if before.is_empty() || before == "pub" || before.starts_with("pub(") && before.ends_with(')') {
            expand("", &statement[at + 4..], &mut |path| found.push((!before.is_empty(), path)));
        }
    }
    found
}

/// Expands `a::{b, c::d}` to `a::b` and `a::c::d`.
fn expand(before: &str, tree: &str, found: &mut impl FnMut(String)) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap().trim();
        let path = format!("{before}{name}");
        return found(path.trim_end_matches("::self").to_owned());
    };
    let (head, inner) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap()]);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&format!("{before}{head}"), &inner[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// A path from a file back to itself.
fn circle(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        let mut way = Vec::new();
        if let Some(found) = walk(edges, start, &mut way, &mut done) {
            return Some(found);
        }
    }
    None
}

fn walk(
    edges: &BTreeMap<Module, BTreeSet<Module>>,
    file: &Module,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(at) = way.iter().position(|before| before == file) {
        return Some([&way[at..], std::slice::from_ref(file)].concat());
    }
    if done.contains(file) {
        return None;
    }
    way.push(file.clone());
    let found = edges[file].iter().find_map(|next| walk(edges, next, way, done));
    way.pop();
    done.insert(file.clone());
    found
}

fn name(module: &Module) -> String {
    if module.is_empty() { "lib.rs".to_owned() } else { format!("{}.rs", module.join("/")) }
}

#[test]
fn files_of_a_crate_do_not_use_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for folder in super::dependencies::folders() {
        let src = crate::root().join(folder).join("src");
        let edges = Crate::read(&src).edges();
        if let Some(found) = circle(&edges) {
            circles.push(format!("{folder}/src: {}", found.iter().map(name).collect::<Vec<_>>().join(" → ")));
        }
    }
    assert!(circles.is_empty(), "files use each other in a circle:\n{}", circles.join("\n"));
}

#[test]
fn circle_is_found_through_reexports_of_a_parent() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a;\nmod b;\npub use a::A;\n");
    write("a.rs", "use std::fmt;\nuse crate::b::{B, C as D};\npub struct A;\n");
    write("b.rs", "// use crate::A;\npub struct B;\npub struct C;\n");
    assert_eq!(circle(&Crate::read(folder.path()).edges()), None);
    write("b.rs", "use crate::{A};\npub struct B;\npub struct C;\n");
    let found = circle(&Crate::read(folder.path()).edges()).unwrap();
    assert_eq!(found.iter().map(name).collect::<Vec<_>>(), ["a.rs", "b.rs", "a.rs"]);
}
