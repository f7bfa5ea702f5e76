//! Which nodes of a tree belong to a group.

use crate::frame::Frame;
use crate::group::Group;
use crate::tree::{Function, Place, Tree};

/// For each node whether it belongs to `group`: whether an allocation made there would be counted in it.
pub(crate) fn select(tree: &Tree, group: &Group) -> Vec<bool> {
    match group {
        Group::Stack(stack) => {
            let stacks = tree.visible_stacks();
            let wanted = stacks.get(stack.0 as usize);
            stacks.iter().map(|found| Some(found) == wanted).collect()
        }
        Group::Thread(name) => {
            let of_name: Vec<bool> =
                tree.places.iter().map(|place| Tree::thread_name(place) == &**name).collect();
            tree.threads().iter().map(|&place| of_name[place as usize]).collect()
        }
        group => {
            let of_group: Vec<bool> =
                tree.places.iter().map(|place| is_in_group(tree, place, group)).collect();
            tree.place_of.iter().map(|&place| of_group[place as usize]).collect()
        }
    }
}

fn is_in_group(tree: &Tree, place: &Place, group: &Group) -> bool {
    match (place, group) {
        (Place::Frame { function, line }, group) => {
            let function = &tree.functions[*function as usize];
            match group {
                Group::Line(frame) => *line == frame.line && has_name(tree, function, frame),
                Group::Function(frame) => {
                    function.first_line == frame.line && has_name(tree, function, frame)
                }
                Group::File(source) => tree.source_of(function).file == source.file,
                Group::Module { module, origin } => {
                    let source = tree.source_of(function);
                    source.origin == *origin && source.module == *module
                }
                Group::Stack(_) | Group::Thread(_) | Group::Unattributed(_) | Group::ImportSystem => false,
            }
        }
        (place, Group::Unattributed(label)) => Tree::label(place) == &**label,
        _ => false,
    }
}

fn has_name(tree: &Tree, function: &Function, frame: &Frame) -> bool {
    *tree.name_of(function) == frame.function && tree.source_of(function).file == frame.source.file
}
