//! What the runners of Rust peers share: inputs, measures and the lines that they print. A peer
//! implements `TextPeer`, `MapPeer` or both; the measures are the same for all.

pub mod clock;
pub mod input;
pub mod map;
pub mod memory;
pub mod report;
pub mod text;

pub use input::{Job, Patch, Value, Write};
pub use map::MapPeer;
pub use report::Report;
pub use text::TextPeer;

/// The version of a dependency as the workspace pins it: `pinned_version("loro")`.
pub fn pinned_version(dependency: &str) -> String {
    let manifest = include_str!("../../Cargo.toml");
    let start = format!("{dependency} = ");
    let line = manifest.lines().find(|line| line.starts_with(&start));
    let version =
        line.and_then(|line| line.split('=').find(|part| part.starts_with(char::is_numeric)));
    version.expect("a pinned dependency").trim_end_matches('"').to_string()
}
