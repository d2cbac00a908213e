//! `use` trees, and what a path stands for from where it is written.

use std::collections::BTreeSet;

use crate::source::{Module, Source, Written};
use crate::tokens::Token;

/// Names that stand for one another, through re-exports, before a path is taken as it is.
const STEPS_MAX: usize = 12;

/// The words of one path of a `use` tree, each with its line, and the name that it brings (`*` for all names).
pub(crate) type UsePath = (Vec<(String, usize)>, String);

/// The paths of `a::{b, c::{self, D as E}, f::*}`.
pub(crate) fn paths_of_use(tree: &[Token]) -> Vec<UsePath> {
    let mut paths = Vec::new();
    read_tree(tree, 0, &[], &mut paths);
    paths
}

/// Reads one tree from a place on; the place behind it.
fn read_tree(
    tree: &[Token],
    mut at: usize,
    before: &[(String, usize)],
    paths: &mut Vec<UsePath>,
) -> usize {
    let mut words = before.to_vec();
    let mut name = None;
    while let Some(token) = tree.get(at) {
        if token.is("{") {
            at += 1;
            while let Some(token) = tree.get(at) {
                if token.is("}") {
                    return at + 1;
                }
                at = if token.is(",") {
                    at + 1
                } else {
                    read_tree(tree, at, &words, paths)
                };
            }
            return at;
        }
        if token.is(",") || token.is("}") {
            break;
        }
        if token.is("*") {
            name = Some("*".to_owned());
        } else if token.is("as") {
            name = tree.get(at + 1).map(|token| token.text.clone());
            at += 1;
        } else if token.is("self") && !words.is_empty() {
            // `{self}` is the module itself.
        } else if token.is_word() {
            words.push((token.text.clone(), token.line));
        }
        at += 1;
    }
    let last = words.last().map(|(word, _)| word.clone());
    paths.extend(name.or(last).map(|name| (words, name)));
    at
}

/// What a path stands for: the module where it ends, and the words that are left behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) module: Vec<String>,
    pub(crate) rest: Vec<String>,
}

impl Source {
    /// A path of ours from the crate's root on, as it is written; nothing if it leads out of the crate.
    pub(crate) fn absolute(&self, module: &Module, words: &[String]) -> Option<Vec<String>> {
        self.absolute_in(module, words, STEPS_MAX)
    }

    fn absolute_in(&self, module: &Module, words: &[String], steps: usize) -> Option<Vec<String>> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = words.split_first()?;
        let joined = |start: &[String], rest: &[String]| Some([start, rest].concat());
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "kith" if module.path == ["main"] => return Some(rest.to_vec()),
            "self" => return joined(&module.path, rest),
            "super" => {
                let (_, mut above) = module.path.split_last()?;
                let mut rest = rest;
                while let Some((_, behind)) =
                    rest.split_first().filter(|(word, _)| *word == "super")
                {
                    (_, above) = above.split_last()?;
                    rest = behind;
                }
                return joined(above, rest);
            }
            _ => {}
        }
        let child = [module.path.as_slice(), std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) {
            return joined(&child, rest);
        }
        if let Some(import) = module.imports.get(first) {
            // `use time::X; time::Y`: the name must not stand for itself.
            if import.first() == Some(first) && import.len() == 1 {
                return None;
            }
            return joined(&self.absolute_in(module, import, steps)?, rest);
        }
        module.globs.iter().find_map(|glob| {
            let above = self.modules.get(&self.absolute_in(module, glob, steps)?)?;
            (above.path != module.path).then(|| self.absolute_in(above, words, steps))?
        })
    }

    /// Follows a path from the root to the module that holds what it names, through `pub use` too.
    pub(crate) fn follow(&self, absolute: &[String]) -> Found {
        self.follow_in(absolute, STEPS_MAX)
    }

    fn follow_in(&self, absolute: &[String], steps: usize) -> Found {
        let mut depth = 0;
        while absolute
            .get(..=depth)
            .is_some_and(|path| self.modules.contains_key(path))
        {
            depth += 1;
        }
        let (path, rest) = absolute.split_at(depth);
        let here = Found {
            module: path.to_vec(),
            rest: rest.to_vec(),
        };
        let (Some(steps), Some(module), Some((name, behind))) = (
            steps.checked_sub(1),
            self.modules.get(path),
            rest.split_first(),
        ) else {
            return here;
        };
        if module.items.contains(name) {
            return here;
        }
        if let Some(import) = module.imports.get(name) {
            let absolute = self.absolute(module, import);
            return absolute.map_or(here, |start| {
                self.follow_in(&[start.as_slice(), behind].concat(), steps)
            });
        }
        let through = module.globs.iter().find_map(|glob| {
            let start = self.absolute(module, glob)?;
            let target = self.modules.get(&start)?;
            (target.path != module.path
                && (target.items.contains(name) || target.imports.contains_key(name)))
            .then(|| self.follow_in(&[start.as_slice(), rest].concat(), steps))
        });
        through.unwrap_or(here)
    }
}

/// One use of a module by another.
#[derive(Clone, Debug)]
pub(crate) struct Reach<'s> {
    pub(crate) from: &'s Module,
    /// As it is written, from the root on.
    pub(crate) absolute: Vec<String>,
    /// Where it leads.
    pub(crate) found: Found,
    pub(crate) written: &'s Written,
}

impl Reach<'_> {
    /// Whether tests alone use it.
    pub(crate) fn in_tests(&self) -> bool {
        self.written.in_tests || self.from.in_tests
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.from.file.display(), self.written.line)
    }
}

/// Every use of ours by ours.
pub(crate) fn reaches(source: &Source) -> Vec<Reach<'_>> {
    let mut found = Vec::new();
    for module in source.modules.values() {
        for written in &module.paths {
            let Some(absolute) = source.absolute(module, &written.words) else {
                continue;
            };
            found.push(Reach {
                from: module,
                found: source.follow(&absolute),
                absolute,
                written,
            });
        }
    }
    found
}

/// Files below `src` that no module line leads to: nothing builds them, and no rule reads them.
pub(crate) fn stray_files(source: &Source, files: &[std::path::PathBuf]) -> Vec<String> {
    let known: BTreeSet<_> = source.files.iter().map(|file| &file.file).collect();
    let stray = files.iter().filter(|file| !known.contains(file));
    stray
        .map(|file| {
            format!(
                "{}: no `mod` line leads to it: declare it or delete it",
                file.display()
            )
        })
        .collect()
}
