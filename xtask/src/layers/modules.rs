//! The modules of a crate, and which file uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{self, Import, Source};

/// How many re-exports are followed from one import.
const MOST_STEPS: usize = 16;

/// One file of a crate.
#[derive(Debug)]
pub(crate) struct Module {
    /// The file, from the root of the workspace on.
    pub(crate) file: PathBuf,
    /// Its path in the crate; empty for the root.
    pub(crate) path: Vec<String>,
    source: Source,
}

impl Module {
    /// `lane::state`; `crate` for the root.
    pub(crate) fn name(&self) -> String {
        if self.path.is_empty() {
            "crate".to_owned()
        } else {
            self.path.join("::")
        }
    }
}

/// That a file uses another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    /// The place of the file that uses, in [`Crate::modules`].
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) line: usize,
    /// The path as it is written.
    pub(crate) written: String,
    /// True if it is only handed on: nothing in the file depends on it.
    pub(crate) is_reexport: bool,
}

/// The files of a crate.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
    /// Every module, inline ones as well, with the place of its file.
    places: BTreeMap<Vec<String>, usize>,
}

impl Crate {
    /// Reads the file and, by their declarations, every module below it.
    pub(crate) fn read(root: &Path, file: &Path) -> Result<Self, String> {
        let mut read = Self {
            modules: Vec::new(),
            places: BTreeMap::new(),
        };
        let folder = file.parent().unwrap_or(file).to_owned();
        read.add(root, file, &folder, &[])?;
        Ok(read)
    }

    /// `folder` is where the children of the module are.
    fn add(
        &mut self,
        root: &Path,
        file: &Path,
        folder: &Path,
        path: &[String],
    ) -> Result<(), String> {
        let wrong = |error: String| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let source = Source::parse(&text).map_err(wrong)?;
        let place = self.modules.len();
        self.places.insert(path.to_owned(), place);
        for inline in &source.inline {
            self.places.insert([path, inline].concat(), place);
        }
        let children = source.children.clone();
        self.modules.push(Module {
            file: file.strip_prefix(root).unwrap_or(file).to_owned(),
            path: path.to_owned(),
            source,
        });
        for (within, name) in children {
            let folder = within
                .iter()
                .fold(folder.to_owned(), |folder, part| folder.join(part));
            let below = folder.join(&name);
            let beside = folder.join(format!("{name}.rs"));
            let file = if beside.exists() {
                beside
            } else {
                below.join("mod.rs")
            };
            let path = [path, &within, &[name]].concat();
            self.add(root, &file, &below, &path)?;
        }
        Ok(())
    }

    /// Which file uses which, by the first place of each.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = BTreeSet::new();
        for (from, module) in self.modules.iter().enumerate() {
            let source = &module.source;
            let imports = source
                .imports
                .iter()
                .filter(|import| !self.is_prefix(module, import));
            let imports = imports.map(|import| {
                let is_used = import
                    .name
                    .as_ref()
                    .is_none_or(|name| source.named.contains(name));
                let is_reexport = import.is_public && (import.is_glob || !is_used);
                (&import.path, is_reexport)
            });
            let paths = source.paths.iter().map(|path| (path, false));
            for (path, is_reexport) in imports.chain(paths) {
                let Some(to) = self.file_of(module, path) else {
                    continue;
                };
                if to != from {
                    uses.insert(Use {
                        from,
                        to,
                        line: path.line,
                        written: path.segments.join("::"),
                        is_reexport,
                    });
                }
            }
        }
        uses.into_iter().collect()
    }

    /// True of an import of a module by which the file's paths begin: these tell what is used of it.
    fn is_prefix(&self, module: &Module, import: &Import) -> bool {
        let target = self.absolute(module, &import.path, MOST_STEPS);
        let is_module = target.is_some_and(|target| self.places.contains_key(&target));
        let mut paths = module.source.paths.iter();
        is_module && paths.any(|path| path.segments.first() == import.name.as_ref())
    }

    /// The file of what a path leads to, if that is in this crate.
    fn file_of(&self, module: &Module, path: &source::Path) -> Option<usize> {
        let target = self.absolute(module, path, MOST_STEPS)?;
        self.followed(&target, MOST_STEPS)
    }

    /// The path from the crate's root on; none of one that leads to another crate.
    fn absolute(&self, module: &Module, path: &source::Path, steps: usize) -> Option<Vec<String>> {
        let here = [module.path.as_slice(), &path.within].concat();
        let (first, rest) = path.segments.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Vec::new(),
            "self" => here,
            "super" => here.split_last()?.1.to_vec(),
            name => {
                let mut child = here;
                child.push(name.to_owned());
                if self.places.contains_key(&child) {
                    child
                } else {
                    let mut imports = module.source.imports.iter();
                    let import = imports.find(|import| {
                        import.name.as_ref() == Some(first) && import.path != *path
                    })?;
                    self.absolute(module, &import.path, steps.checked_sub(1)?)?
                }
            }
        };
        for segment in rest {
            if segment == "super" {
                target.pop()?;
            } else {
                target.push(segment.clone());
            }
        }
        Some(target)
    }

    /// Where a path leads, whatever hands it on in between.
    fn followed(&self, target: &[String], steps: usize) -> Option<usize> {
        let lengths = (0..=target.len()).rev();
        let mut prefixes = lengths.map(|length| target.split_at(length));
        let (known, place, rest) =
            prefixes.find_map(|(known, rest)| Some((known, *self.places.get(known)?, rest)))?;
        let (Some((name, rest)), Some(module)) = (rest.split_first(), self.modules.get(place))
        else {
            return Some(place);
        };
        let Some(steps) = steps.checked_sub(1) else {
            return Some(place);
        };
        let within = known.get(module.path.len()..).unwrap_or_default();
        let source = &module.source;
        if source.defined.contains(name) {
            return Some(place);
        }
        let here = source
            .imports
            .iter()
            .filter(|import| import.path.within == within);
        for import in here.clone() {
            if import.name.as_ref() == Some(name)
                && let Some(target) = self.absolute(module, &import.path, steps)
            {
                return self.followed(&[target.as_slice(), rest].concat(), steps);
            }
        }
        for import in here.filter(|import| import.is_glob) {
            let target = self.absolute(module, &import.path, steps);
            let place = target.and_then(|target| self.followed(&target, steps));
            let of = place.and_then(|place| self.modules.get(place));
            if of.is_some_and(|of| of.source.defined.contains(name)) {
                return place;
            }
        }
        Some(place)
    }
}
