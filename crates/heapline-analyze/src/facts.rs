//! Facts about the process: where its modules came from, and what reports say of it.

use heapline_format::{Header, MetaKey, State};

use crate::cost::{CpuBasis, RecorderCost};
use crate::frame::Origin;
use crate::path::SearchPath;
use crate::process::{Process, Status};
use crate::sampling::Sampling;

/// Facts about the process in the order of the capture.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) values: Vec<(MetaKey, String)>,
}

impl Facts {
    fn all(&self, key: MetaKey) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(found, _)| *found == key).map(|(_, value)| value.as_str())
    }

    fn first(&self, key: MetaKey) -> String {
        self.all(key).next().unwrap_or_default().to_owned()
    }

    /// Where modules are imported from.
    pub(crate) fn search_path(&self) -> SearchPath {
        let mut search_path = SearchPath::new(&self.first(MetaKey::WorkingDirectory));
        let kinds = [
            (MetaKey::SitePath, Origin::Site),
            (MetaKey::StdlibPath, Origin::Stdlib),
            (MetaKey::ProgramPath, Origin::Program),
        ];
        for (key, origin) in kinds {
            self.all(key).for_each(|directory| search_path.add(directory, origin));
        }
        search_path
    }

    /// The facts as reports show them.
    pub(crate) fn into_process(self, header: &Header, state: State, sampling: Sampling) -> Process {
        let known = |value: u64| (value != 0).then_some(value);
        Process {
            program: self.first(MetaKey::Program),
            arguments: self.all(MetaKey::Argument).map(str::to_owned).collect(),
            pid: header.pid,
            parent_pid: (header.parent_pid != 0).then_some(header.parent_pid),
            python_version: self.first(MetaKey::PythonVersion),
            implementation: self.first(MetaKey::Implementation),
            executable: self.first(MetaKey::Executable),
            working_directory: self.first(MetaKey::WorkingDirectory),
            heapline_version: self.first(MetaKey::HeaplineVersion),
            allocator: self.first(MetaKey::Allocator),
            frame_access: self.first(MetaKey::FrameAccess),
            free_lists: self.first(MetaKey::FreeLists),
            recorded: self.all(MetaKey::Recorded).map(str::to_owned).collect(),
            is_redacted: self.all(MetaKey::Redacted).next().is_some(),
            started_unix_ns: header.start_unix_ns,
            // The two clocks are read apart: no recording ends before its own high-water mark.
            duration_ns: header.now_ns.max(header.high_water_mark_ns),
            status: match state {
                State::Recording => Status::Recording,
                State::Finished => Status::Finished,
            },
            recorder_cost: RecorderCost {
                cpu_ns: known(header.own_cpu_ns),
                cpu_basis: known(header.own_cpu_ns).map(|_| match &sampling {
                    Sampling::Exact => CpuBasis::Bursts,
                    Sampling::Sampled(_) => CpuBasis::Samples,
                }),
                process_cpu_ns: known(header.process_cpu_ns),
                bytes: known(header.own_bytes),
            },
            sampling,
            format_version: header.version,
        }
    }
}
