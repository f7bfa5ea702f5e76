//! The tree against a naive model of it: stacks of an imaginary 3.11 whose code objects die and are made anew.

use std::collections::HashMap;
use std::ffi::c_int;

use proptest::prelude::*;

use super::*;
use crate::block_table::Entry;
use crate::layout::{LAYOUTS, read};
use crate::token_walk::{node_of, tag};

const LAYOUT: &Layout = &LAYOUTS[1];
const CODES: usize = 7;
/// The names of code objects, which are one character long each.
static NAMES: [u32; 5] = [97, 98, 99, 100, 101];
/// Frames that have not come this far in their function are not part of the stack.
const FIRST_TRACEABLE: u32 = 1;
const FIXED: usize = 5;

/// A code object: nothing but the fields that are read, at their places.
#[repr(C, align(16))]
struct FakeCode([u64; 32]);

/// A frame, in whose last word a token may be left.
#[repr(C, align(16))]
struct FakeFrame([u64; 10]);

fn write<T>(memory: &mut [u64], offset: usize, value: T) {
    assert!(offset + size_of::<T>() <= size_of_val(memory));
    // SAFETY: the value lies within the memory, at an offset that suits its type.
    unsafe { memory.as_mut_ptr().cast::<u8>().add(offset).cast::<T>().write(value) };
}

impl FakeCode {
    fn set(&mut self, name: usize) {
        write(&mut self.0, 8, code_type());
        write(&mut self.0, LAYOUT.code_filename, &raw const NAMES[0]);
        write(&mut self.0, LAYOUT.code_name, &raw const NAMES[name]);
        write(&mut self.0, LAYOUT.code_first_line, name as i32 * 100 + 1);
        write(&mut self.0, LAYOUT.first_traceable.expect("3.11 has it"), FIRST_TRACEABLE as i32);
    }

    fn address(&self) -> usize {
        &raw const *self as usize
    }
}

fn code_type() -> *const PyObject {
    (&raw const NAMES).cast()
}

unsafe extern "C" fn string_length(_: *mut PyObject) -> isize {
    1
}

unsafe extern "C" fn string_as_ucs4(object: *mut PyObject, buffer: *mut u32, _: isize, _: c_int) -> *mut u32 {
    // SAFETY: "strings" are places of `NAMES`, and the buffer has room for one character.
    unsafe {
        buffer.write(object.cast::<u32>().read());
        buffer
    }
}

unsafe extern "C" fn code_line(object: *mut PyObject, offset: c_int) -> c_int {
    // SAFETY: the object is a `FakeCode`.
    unsafe { read::<i32>(object.cast_const().cast(), LAYOUT.code_first_line) + offset / 6 }
}

/// What tells frames apart in a report: the function's name and the instruction.
type Site = (usize, u32);

/// A frame of the imaginary interpreter.
struct Activation {
    code: usize,
    instruction: u32,
    memory: Box<FakeFrame>,
}

impl Activation {
    fn slot(&mut self) -> *mut u64 {
        &raw mut self.memory.0[9]
    }

    fn moves_to(&mut self, instruction: u32) {
        self.instruction = instruction;
        self.memory.0[9] = 0;
    }
}

/// The tree by the book: nodes with the site of their frame, and which edges were decided upon.
struct Model {
    nodes: Vec<(u32, Option<Site>)>,
    edges: HashMap<(u32, usize, u32), u32>,
    dormant: HashMap<(u32, Site), u32>,
    limit: usize,
    fold_after: usize,
    folded: u32,
}

impl Model {
    /// Sites of a node and its callers, as far as they are frames.
    fn path(&self, mut node: u32) -> Vec<(u32, Site)> {
        let mut path = Vec::new();
        while let (parent, Some(site)) = self.nodes[node as usize] {
            path.push((node, site));
            node = parent;
        }
        path
    }

    fn folded(&self, parent: u32, site: Site) -> Option<u32> {
        let path = self.path(parent);
        let any = self.nodes.len() >= self.limit / 4 * 3;
        let sites: Vec<Site> = path.iter().map(|(_, site)| *site).collect();
        let repeats = |distance: usize| {
            sites.len() > distance * 2 && sites[..distance] == sites[distance + 1..distance * 2 + 1]
        };
        let found = |distance: &usize| sites[*distance] == site && (any || repeats(*distance));
        (0..path.len().min(512)).find(found).map(|distance| path[distance].0)
    }

    fn child(&mut self, parent: u32, code: usize, name: usize, instruction: u32) -> u32 {
        if parent == OVERFLOW {
            return OVERFLOW;
        }
        if let Some(child) = self.edges.get(&(parent, code, instruction)) {
            return *child;
        }
        let site = (name, instruction);
        let child = if instruction < FIRST_TRACEABLE {
            parent
        } else if let Some(child) = self.dormant.get(&(parent, site)) {
            *child
        } else if let Some(caller) = self.folded(parent, site).filter(|_| self.nodes.len() >= self.fold_after)
        {
            self.folded += 1;
            caller
        } else if self.nodes.len() >= self.limit {
            OVERFLOW
        } else {
            self.nodes.push((parent, Some(site)));
            self.nodes.len() as u32 - 1
        };
        self.edges.insert((parent, code, instruction), child);
        child
    }

    fn died(&mut self, dead: usize) {
        let (nodes, dormant) = (&self.nodes, &mut self.dormant);
        self.edges.retain(|(parent, code, _), child| {
            if let (of, Some(site)) = nodes[*child as usize]
                && *code == dead
                && of == *parent
                && child != parent
            {
                dormant.insert((*parent, site), *child);
            }
            *code != dead
        });
    }
}

/// An interpreter with two threads, the recorder's tree of it, and the model.
struct World {
    api: Api,
    blocks: BlockTable,
    tree: Tree,
    frames: Frames,
    codes: Vec<(Box<FakeCode>, usize)>,
    stacks: [Vec<Activation>; 2],
    model: Model,
    /// Which site each place of the capture is.
    sites: HashMap<u32, Site>,
    tokens: Option<u64>,
}

impl World {
    fn new(limit: usize, fold_after: usize, with_tokens: bool) -> Self {
        let api = Api { string_length, string_as_ucs4, code_line, ..Api::absent() };
        let limits = Limits { nodes: limit, fold_after_nodes: fold_after, ..Limits::DEFAULT };
        let capture = Capture::create(None).expect("memory");
        let mut tree = Tree::new(capture, &limits, Some(LAYOUT), code_type(), false).expect("memory");
        for (thread, label) in ["one", "two"].into_iter().enumerate() {
            let root = tree.add_root(NodeKind::Thread, label).expect("room");
            assert_eq!(root as usize, FIXED + thread);
        }
        let codes = (0..CODES).map(|_| (Box::new(FakeCode([0; 32])), 0)).collect();
        let model = Model {
            nodes: vec![(ROOT, None); FIXED + 2],
            edges: HashMap::new(),
            dormant: HashMap::new(),
            limit,
            fold_after,
            folded: 0,
        };
        let mut world = Self {
            api,
            blocks: BlockTable::new().expect("address space"),
            tree,
            frames: Frames::new(0, std::ptr::null()).expect("address space"),
            codes,
            stacks: [Vec::new(), Vec::new()],
            model,
            sites: HashMap::new(),
            tokens: with_tokens.then(|| tag(1)).flatten(),
        };
        for code in 0..CODES {
            world.make_code(code, code % NAMES.len());
        }
        world
    }

    fn block(code: usize) -> Block {
        Block { account: ROOT, size: 300 + code, birth: 7 }
    }

    /// Whether the recorder saw the code object being made; the others were there before.
    fn is_recorded(code: usize) -> bool {
        code.is_multiple_of(2)
    }

    fn make_code(&mut self, code: usize, name: usize) {
        let (memory, its_name) = &mut self.codes[code];
        *its_name = name;
        memory.set(name);
        if Self::is_recorded(code) {
            assert_eq!(self.blocks.put(memory.address(), Self::block(code)).expect("memory"), Entry::Nothing);
        }
    }

    /// A code object dies, and one with another name or the same is made at its address.
    fn replace_code(&mut self, code: usize, name: usize, unheard: bool) {
        for stack in &mut self.stacks {
            let first = stack.iter().position(|frame| frame.code == code).unwrap_or(stack.len());
            stack.truncate(first);
        }
        let known = Self::is_recorded(code).then(|| Self::block(code));
        match self.blocks.take(self.codes[code].0.address()) {
            Entry::Watched(_) if unheard => self.tree.forget_dead_code(&self.blocks),
            Entry::Watched(number) => assert_eq!(self.tree.code_died(number), known),
            Entry::Block(block) => assert_eq!(Some(block), known, "no frame of it was ever seen"),
            Entry::Nothing => assert_eq!(known, None),
        }
        self.model.died(code);
        self.make_code(code, name);
    }

    /// The innermost frames return, the next goes on, and calls until the last one allocates.
    fn allocate(&mut self, thread: usize, kept: usize, goes_on: u32, calls: &[(usize, u32)]) {
        let stack = &mut self.stacks[thread];
        // The innermost frame calls only if it goes on from here: it has left no token.
        stack.truncate(kept);
        if let Some(caller) = stack.last_mut() {
            caller.moves_to(goes_on);
        }
        for (code, instruction) in calls {
            let mut memory = Box::new(FakeFrame([0; 10]));
            write(&mut memory.0, LAYOUT.code, self.codes[*code].0.address());
            stack.push(Activation { code: *code, instruction: *instruction, memory });
        }

        let mut base = (FIXED + thread) as u32;
        self.frames.clear();
        for frame in stack.iter_mut().rev() {
            let slot = frame.slot();
            // SAFETY: the slot is a word of the frame's memory.
            if let Some(node) = self.tokens.and_then(|tag| node_of(tag, unsafe { *slot })) {
                base = node;
                break;
            }
            let start = self.codes[frame.code].0.address() + LAYOUT.code_start;
            let key = start as u64 + u64::from(frame.instruction) * 2;
            self.frames.push(RawFrame { key, frame: (&raw const *frame.memory).cast(), slot });
        }
        // SAFETY: the frames are what the functions of this interpreter's `api` can read.
        let account = unsafe { self.tree.account(&self.api, &self.blocks, base, &self.frames, self.tokens) };

        let mut expected = (FIXED + thread) as u32;
        let innermost = stack.len() - 1;
        for (depth, frame) in stack.iter_mut().enumerate() {
            let name = self.codes[frame.code].1;
            expected = self.model.child(expected, frame.code, name, frame.instruction);
            let leaves_token = depth < innermost && expected != OVERFLOW;
            if let Some(tag) = self.tokens {
                assert_eq!(node_of(tag, frame.memory.0[9]), leaves_token.then_some(expected));
            }
        }
        let node = self.tree.table.node_of(account);
        assert_eq!(node, expected);
    }

    /// Compares all nodes.
    fn check(&mut self) {
        assert_eq!(self.tree.table.node_count(), self.model.nodes.len());
        assert_eq!(self.tree.folded_edges(), self.model.folded);
        for (id, (parent, site)) in self.model.nodes.iter().enumerate().skip(FIXED) {
            let node = self.tree.table.node(id as u32);
            assert_eq!(node.parent, *parent);
            assert_eq!(node.kind(), Some(if site.is_some() { NodeKind::Frame } else { NodeKind::Thread }));
            if let Some(site) = site {
                let known = self.sites.entry(node.subject()).or_insert(*site);
                assert_eq!(known, site, "a place is one site");
            }
        }
        let mut distinct: Vec<Site> = self.sites.values().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), self.sites.len(), "a site is one place");
    }
}

/// What happens next: an allocation in a thread, or the end of a code object.
#[derive(Clone, Debug)]
enum Step {
    Allocate { thread: usize, kept: prop::sample::Index, goes_on: u32, calls: Vec<(usize, u32)> },
    Replace { code: usize, name: usize, unheard: bool },
}

fn step() -> impl Strategy<Value = Step> {
    // Few instructions, so that recursion repeats itself.
    let calls = prop::collection::vec((0..CODES, 0u32..4), 1..5);
    let allocate = (0usize..2, any::<prop::sample::Index>(), 0u32..4, calls)
        .prop_map(|(thread, kept, goes_on, calls)| Step::Allocate { thread, kept, goes_on, calls });
    let replace = (0..CODES, 0..NAMES.len(), any::<bool>()).prop_map(|(code, name, unheard)| Step::Replace {
        code,
        name,
        unheard,
    });
    prop_oneof![20 => allocate, 1 => replace]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn it_agrees_with_a_naive_tree_through_deaths_and_folding(
        limit in 64usize..600,
        fold_after in 10usize..500,
        with_tokens in any::<bool>(),
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut world = World::new(limit, fold_after, with_tokens);
        for step in steps {
            match step {
                Step::Replace { code, name, unheard } => world.replace_code(code, name, unheard),
                Step::Allocate { thread, kept, goes_on, calls } => {
                    let kept = kept.index(world.stacks[thread].len() + 1);
                    world.allocate(thread, kept, goes_on, &calls);
                }
            }
        }
        world.check();
    }
}
