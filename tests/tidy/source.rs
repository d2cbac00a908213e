//! The modules of `src` as the compiler finds them, with what each names: from `lib.rs` and `main.rs` along their `mod` lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::reading::{read, root};
use crate::tokens::{Kind, Token, behind_group, starts, tokens_of};
use crate::uses::paths_of_use;

/// Words that begin an item, which ends with a block or a semicolon; what begins otherwise ends with a comma too.
const ITEM_WORDS: [&str; 14] = [
    "pub", "fn", "mod", "use", "struct", "impl", "const", "static", "enum", "trait", "type",
    "async", "let", "unsafe",
];
const TYPE_WORDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];
const VALUE_WORDS: [&str; 4] = ["fn", "const", "static", "macro_rules"];

/// A path as it is written: its words, where it stands, and whether tests alone read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) words: Vec<String>,
    pub(crate) line: usize,
    pub(crate) in_tests: bool,
    pub(crate) in_use: bool,
}

/// A type that a module defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) in_tests: bool,
}

/// One module: a file, or a block in a file.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    pub(crate) file: PathBuf,
    pub(crate) in_tests: bool,
    /// Names that `use` brings, with the path each stands for.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// Modules of which `use` brings every name.
    pub(crate) globs: Vec<Vec<String>>,
    /// Names of the module's own items, without its modules.
    pub(crate) items: Vec<String>,
    pub(crate) types: Vec<TypeName>,
    pub(crate) paths: Vec<Written>,
}

/// The tokens of one file, and which of them tests alone read.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) file: PathBuf,
    /// The module whose file it is.
    pub(crate) module: Vec<String>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) in_tests: Vec<bool>,
}

impl SourceFile {
    /// The places of the tokens that ship.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.tokens.len()).filter(|at| !self.in_tests.get(*at).copied().unwrap_or_default())
    }
}

/// All of `src`.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) modules: BTreeMap<Vec<String>, Module>,
    pub(crate) files: Vec<SourceFile>,
}

/// A `mod name;`, to be looked for on the disk.
struct Declared {
    path: Vec<String>,
    file: Option<String>,
    in_tests: bool,
}

impl Source {
    /// The repository's modules, read once.
    pub(crate) fn of_repository() -> &'static Self {
        static SOURCE: OnceLock<Source> = OnceLock::new();
        SOURCE.get_or_init(|| {
            let mut source = Self::default();
            source.load(Path::new("src/lib.rs"), &[], false);
            source.load(Path::new("src/main.rs"), &["main".to_owned()], false);
            source
        })
    }

    /// Made-up modules, each a file: its module's path and its text.
    pub(crate) fn made_up(files: &[(&str, &str)]) -> Self {
        let mut source = Self::default();
        for (path, text) in files {
            let words = path.split("::").filter(|word| !word.is_empty());
            let path: Vec<String> = words.map(str::to_owned).collect();
            let file = PathBuf::from(format!("src/{}.rs", path.join("/")));
            source.read_file(&file, path, text, false);
        }
        source
    }

    fn load(&mut self, file: &Path, path: &[String], in_tests: bool) {
        let is_folder = file.ends_with("mod.rs") || file.ends_with("lib.rs");
        let here = file.parent().unwrap_or(Path::new("src")).to_owned();
        let below = if is_folder {
            here.clone()
        } else {
            file.with_extension("")
        };
        for declared in self.read_file(file, path.to_owned(), &read(file), in_tests) {
            // Blocks between the file and the line are folders.
            let inner = declared.path.iter().skip(path.len());
            let place = inner.fold(below.clone(), |place, word| place.join(word));
            let found = match &declared.file {
                Some(named) => here.join(named),
                None if root().join(place.with_extension("rs")).exists() => {
                    place.with_extension("rs")
                }
                None => place.join("mod.rs"),
            };
            self.load(&found, &declared.path, in_tests || declared.in_tests);
        }
    }

    fn read_file(
        &mut self,
        file: &Path,
        path: Vec<String>,
        text: &str,
        tests: bool,
    ) -> Vec<Declared> {
        let tokens = tokens_of(text);
        let in_tests = tested(&tokens, tests);
        let mut walk = Walk {
            file,
            tokens: &tokens,
            in_tests: &in_tests,
            source: self,
            declared: Vec::new(),
        };
        walk.module(path.clone(), 0, tokens.len(), tests);
        let declared = walk.declared;
        self.files.push(SourceFile {
            file: file.to_owned(),
            module: path,
            tokens,
            in_tests,
        });
        declared
    }
}

/// For each token, whether it stands in an item, a field or a statement below `#[cfg(test)]`.
fn tested(tokens: &[Token], all: bool) -> Vec<bool> {
    let mut found = vec![all; tokens.len()];
    let mut at = 0;
    while at < tokens.len() {
        if starts(tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            let end = behind_item(tokens, at);
            found
                .iter_mut()
                .take(end)
                .skip(at)
                .for_each(|one| *one = true);
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// The place behind an item with its attributes.
fn behind_item(tokens: &[Token], mut at: usize) -> usize {
    while starts(tokens, at, &["#", "["]) {
        at = behind_group(tokens, at + 1);
    }
    let is_item = ITEM_WORDS.iter().any(|word| starts(tokens, at, &[word]));
    // These end with a semicolon, whatever blocks they hold.
    let holds_blocks = (at..at + 4)
        .take_while(|place| {
            tokens
                .get(*place)
                .is_some_and(|token| !token.is("fn") && !token.is("{"))
        })
        .any(|place| {
            ["use", "const", "static", "let"]
                .iter()
                .any(|word| starts(tokens, place, &[word]))
        });
    while let Some(token) = tokens.get(at) {
        if token.is(";") || (token.is(",") && !is_item) {
            return at + 1;
        }
        if token.is("{") && is_item && !holds_blocks {
            return behind_group(tokens, at);
        }
        if ["{", "(", "["].iter().any(|open| token.is(open)) {
            at = behind_group(tokens, at);
        } else if ["}", ")", "]"].iter().any(|close| token.is(close)) {
            return at;
        } else {
            at += 1;
        }
    }
    at
}

struct Walk<'w> {
    file: &'w Path,
    tokens: &'w [Token],
    in_tests: &'w [bool],
    source: &'w mut Source,
    declared: Vec<Declared>,
}

impl Walk<'_> {
    /// Reads the tokens of one module; the blocks that are modules themselves are read as such.
    fn module(&mut self, path: Vec<String>, from: usize, end: usize, in_tests: bool) {
        let mut module = Module {
            path: path.clone(),
            file: self.file.to_owned(),
            in_tests,
            ..Module::default()
        };
        let mut named_file = None;
        let (mut at, mut blocks) = (from, Vec::new());
        while at < end {
            let Some(token) = self.tokens.get(at) else {
                break;
            };
            let tests = self.in_tests.get(at).copied().unwrap_or_default();
            if starts(self.tokens, at, &["#", "["]) {
                if starts(self.tokens, at + 2, &["path", "="]) {
                    named_file = self.text_at(at + 4);
                }
                // Attributes name things too: `#[serde(with = "…")]`, `#[error("…", limits::X)]`.
                at += 2;
                continue;
            }
            let next = self.tokens.get(at + 1).filter(|next| next.is_word());
            if token.is("mod")
                && let Some(name) = next
            {
                let mut inner = path.clone();
                inner.push(name.text.clone());
                if starts(self.tokens, at + 2, &["{"]) {
                    let behind = behind_group(self.tokens, at + 2);
                    self.module(inner, at + 3, behind - 1, in_tests || tests);
                    at = behind;
                } else {
                    let file = named_file.take();
                    self.declared.push(Declared {
                        path: inner,
                        file,
                        in_tests: tests,
                    });
                    at += 3;
                }
                continue;
            }
            if token.is("use") && !starts(self.tokens, at + 1, &["<"]) {
                let line = token.line;
                let until = (at..end).find(|place| starts(self.tokens, *place, &[";"]));
                let until = until.unwrap_or(end);
                let tree = self.tokens.get(at + 1..until).unwrap_or_default();
                note_use(&mut module, tree, line, tests);
                at = until + 1;
                continue;
            }
            if token.is("{") {
                blocks.push(block_kind(self.tokens, from, at));
            } else if token.is("}") {
                blocks.pop();
            } else if let Some(name) = next {
                note_item(&mut module, (token, name), &blocks, tests);
            }
            at = self.path(&mut module, at, tests);
        }
        self.source.modules.insert(path, module);
    }

    /// Notes a path that begins here; the place behind it.
    fn path(&self, module: &mut Module, at: usize, in_tests: bool) -> usize {
        let begins = self.tokens.get(at).is_some_and(Token::is_word)
            && (at == 0 || !starts(self.tokens, at - 1, &["::"]))
            && (at == 0 || !starts(self.tokens, at - 1, &["."]))
            // `pub(in crate::room)` names who may see, not what is used.
            && (at == 0 || !starts(self.tokens, at - 1, &["in"]) || !starts(self.tokens, at - 2, &["("]));
        let mut words: Vec<String> = Vec::new();
        let mut place = at;
        while let Some(token) = self.tokens.get(place).filter(|token| token.is_word()) {
            words.push(token.text.clone());
            let more = starts(self.tokens, place + 1, &["::"])
                && self.tokens.get(place + 2).is_some_and(Token::is_word);
            if !more {
                place += 1;
                break;
            }
            place += 2;
        }
        if begins && words.len() > 1 {
            module.paths.push(Written {
                words,
                line: self.tokens.get(at).map_or(0, |token| token.line),
                in_tests,
                in_use: false,
            });
            return place;
        }
        at + 1
    }

    fn text_at(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at)?;
        (token.kind == Kind::Text).then(|| token.text.clone())
    }
}

/// Whether a block is that of an `impl` or a `trait`, by the words since the last item or block ended.
fn block_kind(tokens: &[Token], from: usize, at: usize) -> &'static str {
    let head = (from..at).rev().take_while(|place| {
        ![";", "{", "}"]
            .iter()
            .any(|mark| starts(tokens, *place, &[mark]))
    });
    let words: Vec<usize> = head.collect();
    let has = |word: &str| words.iter().any(|place| starts(tokens, *place, &[word]));
    match (has("fn"), has("trait"), has("impl")) {
        (true, ..) => "fn",
        (_, true, _) => "trait",
        (.., true) => "impl",
        _ => "block",
    }
}

fn note_use(module: &mut Module, tree: &[Token], line: usize, in_tests: bool) {
    for (words, name) in paths_of_use(tree) {
        let line = words.last().map_or(line, |(_, line)| *line);
        let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
        match name.as_str() {
            "*" => module.globs.push(words.clone()),
            "_" => {}
            _ => {
                module.imports.insert(name, words.clone());
            }
        }
        module.paths.push(Written {
            words,
            line,
            in_tests,
            in_use: true,
        });
    }
}

/// Notes an item that begins with a keyword and a name, by the blocks that it stands in.
fn note_item(module: &mut Module, (word, name): (&Token, &Token), blocks: &[&str], in_tests: bool) {
    let begins_with = |words: &[&str]| words.iter().any(|one| word.is(one));
    let associated = word.is("type") && matches!(blocks.last(), Some(&("impl" | "trait")));
    // `union` and `type` are words of their own elsewhere.
    if begins_with(&TYPE_WORDS) && name.text.starts_with(char::is_uppercase) && !associated {
        module.types.push(TypeName {
            name: name.text.clone(),
            line: name.line,
            in_tests,
        });
        module.items.push(name.text.clone());
    } else if begins_with(&VALUE_WORDS) && blocks.is_empty() {
        module.items.push(name.text.clone());
    }
}
