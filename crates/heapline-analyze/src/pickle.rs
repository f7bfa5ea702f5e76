//! Reads pickles as data: numbers, texts, and what holds them. Nothing in a pickle is ever called.
//!
//! A pickle is a program for a small stack machine. [`read`] carries out those of its instructions that a
//! `tracemalloc.Snapshot.dump` consists of, in any protocol from 2 on, and knows four names: the two classes of the standard
//! module that are in such a file, and the two names by which older protocols create objects. An object is nothing but its
//! class and its state. Any other instruction or name makes the file a foreign one. Memory is bounded by a small multiple
//! of the file's size: values are 16 bytes, and each takes an instruction.

use std::ops::Range;

use crate::error::Error;

#[cfg(test)]
mod tests;

/// Lists, dictionaries and objects that a pickle may have: a snapshot has five, and attributes that somebody added to it.
const MOST_CONTAINERS: usize = 10_000;
/// Values on the machine's stack: `pickle` writes lists in batches of 1000.
const MOST_STACKED: usize = 1 << 20;

/// A value of a pickle. Texts and what holds values are numbers in a [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// `None`, floats, bytes: nothing that a snapshot needs.
    Other,
    Int(i64),
    Text(u32),
    Tuple(u32),
    List(u32),
    Dict(u32),
    Name(Name),
    Object(u32),
}

/// A name that a pickle of a snapshot may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// `tracemalloc.Snapshot`
    Snapshot,
    /// `tracemalloc._Traces`
    Traces,
    /// `copyreg._reconstructor`, which makes an object of a class.
    Reconstructor,
    /// `builtins.object`
    Object,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    class: Name,
    state: Value,
}

/// The values of a pickle that was read.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    bytes: &'a [u8],
    texts: Vec<Range<usize>>,
    /// Items of all tuples, and where those of each are.
    items: Vec<Value>,
    tuples: Vec<Range<u32>>,
    lists: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
    objects: Vec<Object>,
    /// What the pickle is of.
    pub(crate) top: Value,
}

impl Pickle<'_> {
    /// A text's bytes: UTF-8, but for what Python keeps of undecodable file names.
    pub(crate) fn text(&self, value: Value) -> Option<&[u8]> {
        let Value::Text(index) = value else { return None };
        self.bytes.get(self.texts.get(index as usize)?.clone())
    }

    /// The items of a tuple.
    pub(crate) fn tuple(&self, value: Value) -> Option<&[Value]> {
        let Value::Tuple(index) = value else { return None };
        let range = self.tuples.get(index as usize)?;
        self.items.get(range.start as usize..range.end as usize)
    }

    /// The items of a list.
    pub(crate) fn list(&self, value: Value) -> Option<&[Value]> {
        let Value::List(index) = value else { return None };
        self.lists.get(index as usize).map(Vec::as_slice)
    }

    /// An attribute of an object of this class; the last one of this name counts.
    pub(crate) fn attribute(&self, value: Value, class: Name, name: &str) -> Option<Value> {
        let Value::Object(index) = value else { return None };
        let object = self.objects.get(index as usize).filter(|object| object.class == class)?;
        // What has slots has a pair: the attributes in its dictionary, and those in its slots.
        let states = self.tuple(object.state).unwrap_or(std::slice::from_ref(&object.state));
        let dicts = states.iter().filter_map(|state| match state {
            Value::Dict(index) => self.dicts.get(*index as usize),
            _ => None,
        });
        let mut items = dicts.flatten().filter(|(key, _)| self.text(*key) == Some(name.as_bytes()));
        items.next_back().map(|(_, value)| *value)
    }
}

/// Whether a file that begins so may be a pickle.
pub(crate) fn is_pickle(front: &[u8]) -> bool {
    matches!(front, [0x80, 2..=5, ..])
}

/// Reads a pickle.
pub(crate) fn read(bytes: &[u8]) -> Result<Pickle<'_>, Error> {
    let pickle = Pickle {
        bytes,
        texts: Vec::new(),
        items: Vec::new(),
        tuples: std::iter::once(0..0).collect(),
        lists: Vec::new(),
        dicts: Vec::new(),
        objects: Vec::new(),
        top: Value::Other,
    };
    let mut machine = Machine { pickle, at: 0, stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    while !machine.step()? {}
    Ok(machine.pickle)
}

struct Machine<'a> {
    pickle: Pickle<'a>,
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Value>,
}

fn foreign(what: impl Into<String>) -> Error {
    Error::NotASnapshot { what: what.into() }
}

fn inconsistent() -> Error {
    foreign("the pickle contradicts itself")
}

impl<'a> Machine<'a> {
    /// Carries out one instruction; true if it was the last one.
    fn step(&mut self) -> Result<bool, Error> {
        match self.take(1)?[0] {
            b'.' => {
                self.pickle.top = self.pop()?;
                return Ok(true);
            }
            // Protocol and frames say nothing that matters here: what is behind them follows anyway.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => {
                self.has_room(self.marks.len())?;
                self.marks.push(self.stack.len());
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
            b'G' => self.skip(8)?,
            b'K' => self.push_int(1, false)?,
            b'M' => self.push_int(2, false)?,
            b'J' => self.push_int(4, true)?,
            0x8a => {
                let length = self.number(1)?;
                self.push_int(length, true)?;
            }
            0x8b => {
                let length = self.number(4)?;
                self.push_int(length, true)?;
            }
            0x8c => self.push_text(1)?,
            b'X' => self.push_text(4)?,
            0x8d => self.push_text(8)?,
            b'C' => self.skip_counted(1)?,
            b'B' => self.skip_counted(4)?,
            0x8e | 0x96 => self.skip_counted(8)?,
            b')' => self.push(Value::Tuple(0))?,
            0x85 => self.push_tuple(1)?,
            0x86 => self.push_tuple(2)?,
            0x87 => self.push_tuple(3)?,
            b't' => {
                let count = self.above_mark()?;
                self.push_tuple(count)?;
            }
            b']' => {
                self.has_container_room()?;
                self.pickle.lists.push(Vec::new());
                self.push(Value::List(self.pickle.lists.len() as u32 - 1))?;
            }
            b'}' => {
                self.has_container_room()?;
                self.pickle.dicts.push(Vec::new());
                self.push(Value::Dict(self.pickle.dicts.len() as u32 - 1))?;
            }
            0x8f => self.push(Value::Other)?,
            b'a' => self.append(1)?,
            b'e' => {
                let count = self.above_mark()?;
                self.append(count)?;
            }
            b's' => self.set_items(2)?,
            b'u' => {
                let count = self.above_mark()?;
                self.set_items(count)?;
            }
            // Sets: `ADDITEMS` leaves the set, `FROZENSET` makes one of what is above the mark.
            0x90 => {
                let count = self.above_mark()?;
                self.drop_values(count)?;
            }
            0x91 => {
                let count = self.above_mark()?;
                self.drop_values(count)?;
                self.push(Value::Other)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push_name(module, name)?;
            }
            0x93 => self.push_stacked_name()?,
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                match class {
                    Value::Name(class) if arguments == Value::Tuple(0) => self.push_object(class)?,
                    _ => return Err(inconsistent()),
                }
            }
            b'R' => self.reconstruct()?,
            b'b' => {
                let state = self.pop()?;
                let Some(Value::Object(index)) = self.stack.last() else { return Err(inconsistent()) };
                self.pickle.objects[*index as usize].state = state;
            }
            0x94 => self.remember(self.memo.len())?,
            b'q' => {
                let index = self.number(1)?;
                self.remember(index)?;
            }
            b'r' => {
                let index = self.number(4)?;
                self.remember(index)?;
            }
            b'h' => {
                let index = self.number(1)?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.number(4)?;
                self.recall(index)?;
            }
            _ => return Err(foreign("a pickle of something else")),
        }
        Ok(false)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let rest = self.pickle.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Error::PickleEnds)?;
        self.at += count;
        Ok(taken)
    }

    /// An unsigned number of up to 8 bytes, as a length or an index.
    fn number(&mut self, bytes: usize) -> Result<usize, Error> {
        let value = self.take(bytes)?.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).map_err(|_| Error::PickleEnds)
    }

    fn line(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.pickle.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(Error::PickleEnds)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn push(&mut self, value: Value) -> Result<(), Error> {
        self.has_room(self.stack.len())?;
        self.stack.push(value);
        Ok(())
    }

    fn has_room(&self, used: usize) -> Result<(), Error> {
        if used < MOST_STACKED { Ok(()) } else { Err(inconsistent()) }
    }

    fn has_container_room(&self) -> Result<(), Error> {
        let used = self.pickle.lists.len() + self.pickle.dicts.len() + self.pickle.objects.len();
        if used < MOST_CONTAINERS { Ok(()) } else { Err(foreign("a pickle of something else")) }
    }

    fn pop(&mut self) -> Result<Value, Error> {
        self.stack.pop().ok_or_else(inconsistent)
    }

    fn skip(&mut self, count: usize) -> Result<(), Error> {
        self.take(count)?;
        self.push(Value::Other)
    }

    fn skip_counted(&mut self, bytes: usize) -> Result<(), Error> {
        let length = self.number(bytes)?;
        self.skip(length)
    }

    /// Pushes an integer; one that does not fit is none that a snapshot has.
    fn push_int(&mut self, bytes: usize, signed: bool) -> Result<(), Error> {
        let digits = self.take(bytes)?;
        if bytes > 8 {
            return self.push(Value::Other);
        }
        let is_negative = signed && digits.last().is_some_and(|byte| byte & 0x80 != 0);
        let start = if is_negative { -1_i64 } else { 0 };
        let value = digits.iter().rev().fold(start, |value, byte| value << 8 | i64::from(*byte));
        self.push(Value::Int(value))
    }

    fn push_text(&mut self, bytes: usize) -> Result<(), Error> {
        let length = self.number(bytes)?;
        let start = self.at;
        self.take(length)?;
        let index = u32::try_from(self.pickle.texts.len()).map_err(|_| inconsistent())?;
        self.pickle.texts.push(start..start + length);
        self.push(Value::Text(index))
    }

    /// How many values are above the topmost mark, which goes away.
    fn above_mark(&mut self) -> Result<usize, Error> {
        let height = self.marks.pop().ok_or_else(inconsistent)?;
        self.stack.len().checked_sub(height).ok_or_else(inconsistent)
    }

    fn drop_values(&mut self, count: usize) -> Result<(), Error> {
        let height = self.stack.len().checked_sub(count).ok_or_else(inconsistent)?;
        self.stack.truncate(height);
        Ok(())
    }

    fn push_tuple(&mut self, count: usize) -> Result<(), Error> {
        let height = self.stack.len().checked_sub(count).ok_or_else(inconsistent)?;
        let number = |length: usize| u32::try_from(length).map_err(|_| inconsistent());
        let (start, index) = (number(self.pickle.items.len())?, number(self.pickle.tuples.len())?);
        self.pickle.items.extend(self.stack.drain(height..));
        self.pickle.tuples.push(start..number(self.pickle.items.len())?);
        self.push(Value::Tuple(index))
    }

    fn append(&mut self, count: usize) -> Result<(), Error> {
        let height = self.stack.len().checked_sub(count).ok_or_else(inconsistent)?;
        let list = height.checked_sub(1).and_then(|below| self.stack.get(below));
        let Some(Value::List(list)) = list else { return Err(inconsistent()) };
        let list = *list as usize;
        self.pickle.lists[list].extend(self.stack.drain(height..));
        Ok(())
    }

    fn set_items(&mut self, count: usize) -> Result<(), Error> {
        let height = self.stack.len().checked_sub(count).ok_or_else(inconsistent)?;
        let dict = height.checked_sub(1).and_then(|below| self.stack.get(below));
        let Some(Value::Dict(dict)) = dict else { return Err(inconsistent()) };
        let dict = *dict as usize;
        let pairs = self.stack[height..].chunks_exact(2).map(|pair| (pair[0], pair[1]));
        self.pickle.dicts[dict].extend(pairs);
        self.stack.truncate(height);
        Ok(())
    }

    fn push_name(&mut self, module: &[u8], name: &[u8]) -> Result<(), Error> {
        let known = match (module, name) {
            (b"tracemalloc", b"Snapshot") => Name::Snapshot,
            (b"tracemalloc", b"_Traces") => Name::Traces,
            (b"copyreg" | b"copy_reg", b"_reconstructor") => Name::Reconstructor,
            (b"builtins" | b"__builtin__", b"object") => Name::Object,
            _ => {
                let words =
                    |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
                return Err(foreign(format!("a pickle of {}.{}", words(module), words(name))));
            }
        };
        self.push(Value::Name(known))
    }

    fn push_stacked_name(&mut self) -> Result<(), Error> {
        let (name, module) = (self.pop()?, self.pop()?);
        let range = |value| match value {
            Value::Text(index) => Ok(self.pickle.texts[index as usize].clone()),
            _ => Err(inconsistent()),
        };
        let (module, name) = (range(module)?, range(name)?);
        let bytes = self.pickle.bytes;
        self.push_name(&bytes[module], &bytes[name])
    }

    fn push_object(&mut self, class: Name) -> Result<(), Error> {
        self.has_container_room()?;
        if !matches!(class, Name::Snapshot | Name::Traces) {
            return Err(inconsistent());
        }
        self.pickle.objects.push(Object { class, state: Value::Other });
        self.push(Value::Object(self.pickle.objects.len() as u32 - 1))
    }

    /// `copyreg._reconstructor(class, object, None)`: an object of that class.
    fn reconstruct(&mut self) -> Result<(), Error> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let class = match self.pickle.tuple(arguments) {
            Some(&[Value::Name(class), Value::Name(Name::Object), Value::Other]) => class,
            _ => return Err(inconsistent()),
        };
        if function != Value::Name(Name::Reconstructor) {
            return Err(inconsistent());
        }
        self.push_object(class)
    }

    /// Remembers the topmost value under a number: the next one, or one that was given.
    fn remember(&mut self, index: usize) -> Result<(), Error> {
        let value = *self.stack.last().ok_or_else(inconsistent)?;
        if index > self.memo.len() {
            return Err(inconsistent());
        }
        if index == self.memo.len() {
            self.memo.push(value);
        } else {
            self.memo[index] = value;
        }
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), Error> {
        let value = *self.memo.get(index).ok_or_else(inconsistent)?;
        self.push(value)
    }
}
