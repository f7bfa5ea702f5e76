//! Callers that only carry one line of a program to the next: the import system and `runpy`.
//!
//! Between an `import` statement and the module that it runs stand five or more frames that are the same for
//! every import, and one `import pandas` runs a thousand modules that import each other. A tree of callers that
//! shows all that says nothing else; what its reader can change is the statement that set it off.

use crate::frame::{Origin, Source};
use crate::tree::{Place, Tree};

/// What a frame does between lines of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It finds, loads and runs modules.
    Import,
    /// It runs a module as a program.
    Launch,
}

/// Which callers a tree may leave out, and where it goes on.
#[derive(Debug)]
pub(crate) struct Machinery {
    /// For each node of the import system the one that set it off; for others the node itself.
    importers: Vec<u32>,
    /// For each node whether it and all frames above it are `runpy`'s.
    launchers: Vec<bool>,
}

/// For each node whether it, or a caller of it, belongs to the import system.
pub(crate) fn below_imports(tree: &Tree) -> Vec<bool> {
    let imports: Vec<bool> = tree.sources.iter().map(|source| role(source) == Some(Role::Import)).collect();
    let is_import = |place: &Place| match place {
        Place::Frame { function, .. } => imports[tree.functions[*function as usize].source as usize],
        _ => false,
    };
    let places: Vec<bool> = tree.places.iter().map(is_import).collect();
    let mut below: Vec<bool> = Vec::with_capacity(tree.parents.len());
    for node in tree.nodes() {
        let above = below.get(tree.parents[node] as usize).copied().unwrap_or(false);
        below.push(above || places[tree.place_of[node] as usize]);
    }
    below
}

impl Machinery {
    /// Finds such frames in one pass over the tree, so that no stack is climbed twice.
    pub(crate) fn new(tree: &Tree) -> Self {
        let roles: Vec<Option<Role>> = tree.sources.iter().map(|source| role(source)).collect();
        let role_of = |place: &Place| match place {
            Place::Frame { function, .. } => roles[tree.functions[*function as usize].source as usize],
            _ => None,
        };
        let roles: Vec<Option<Role>> = tree.places.iter().map(role_of).collect();
        let is_import = |node: u32| roles[tree.place_of[node as usize] as usize] == Some(Role::Import);
        let foreign_modules: Vec<bool> =
            tree.places.iter().map(|place| is_foreign_module(tree, place)).collect();

        let mut new = Self {
            importers: Vec::with_capacity(tree.parents.len()),
            launchers: Vec::with_capacity(tree.parents.len()),
        };
        for node in tree.nodes() {
            let own = node as u32;
            let parent = tree.parents[node];
            // The root, its own parent, is of no import system: what is looked up here lies above this node.
            let importer = if !is_import(own) {
                own
            } else if is_import(parent) {
                new.importers[parent as usize]
            } else {
                let above = tree.parents[parent as usize];
                let is_imported =
                    foreign_modules[tree.place_of[parent as usize] as usize] && is_import(above);
                if is_imported { new.importers[above as usize] } else { parent }
            };
            new.importers.push(importer);
            let role = roles[tree.place_of[node] as usize];
            let outermost = tree.is_above_frames(parent) || new.launchers[parent as usize];
            new.launchers.push(role == Some(Role::Launch) && outermost);
        }
        new
    }

    /// Which node made the import system come to this node of it: one of the program's own code or of a
    /// function, or an outermost one. Modules of others that were imported on the way are passed by. `None` for a
    /// node that is not of the import system.
    pub(crate) fn importer(&self, node: u32) -> Option<u32> {
        Some(self.importers[node as usize]).filter(|&importer| importer != node)
    }

    /// Whether nothing but `runpy` called this node, which is `runpy`'s itself.
    pub(crate) fn is_launcher(&self, node: u32) -> bool {
        self.launchers[node as usize]
    }
}

/// Whether this is the body of a module that is not the program's own.
fn is_foreign_module(tree: &Tree, place: &Place) -> bool {
    let Place::Frame { function, .. } = place else { return false };
    let function = &tree.functions[*function as usize];
    &**tree.name_of(function) == "<module>" && tree.source_of(function).origin != Origin::Program
}

fn role(source: &Source) -> Option<Role> {
    if source.origin != Origin::Stdlib {
        return None;
    }
    match &*source.module {
        "importlib"
        | "importlib._bootstrap"
        | "importlib._bootstrap_external"
        | "importlib.util"
        | "zipimport" => Some(Role::Import),
        "runpy" => Some(Role::Launch),
        _ => None,
    }
}
