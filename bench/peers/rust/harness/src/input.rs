//! Inputs as scripts/bench-peers prepares them; ../../README.md describes them.

use serde::Deserialize;

/// Deletes `.1` units at position `.0`, then inserts `.2` there.
pub type Patch = (usize, usize, String);

#[derive(Clone, Deserialize)]
pub struct TextTransaction {
    pub agent: usize,
    /// Transactions that the agent's replica must be given first, in this order.
    pub receive: Vec<usize>,
    pub patches: Vec<Patch>,
}

#[derive(Deserialize)]
pub struct Trace {
    pub agents: usize,
    pub transactions: Vec<TextTransaction>,
    /// For each agent, what its replica still lacks at the end.
    pub receive_at_end: Vec<Vec<usize>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Integer(i64),
    Text(String),
}

/// A key's new value, or none to remove it.
pub type Write = (String, Option<Value>);

#[derive(Deserialize)]
pub struct MapHistory {
    /// Transactions that both replicas have from the start.
    pub base: Vec<Vec<Write>>,
    /// Transactions that one replica makes ...
    pub here: Vec<Vec<Write>>,
    /// ... while the other makes these.
    pub there: Vec<Vec<Write>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(Trace),
    Map(MapHistory),
}

#[derive(Deserialize)]
pub struct Input {
    pub name: String,
    #[serde(flatten)]
    pub content: Content,
}

/// What the command line asks for: `runner MEASURE INPUT-FILE`.
pub struct Job {
    pub measure: String,
    pub input: Input,
}

impl Job {
    pub fn from_arguments() -> Job {
        let arguments: Vec<String> = std::env::args().collect();
        let [_, measure, file] = arguments.as_slice() else {
            eprintln!("usage: {} MEASURE INPUT-FILE", arguments[0]);
            std::process::exit(2);
        };
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let input =
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        Job { measure: measure.clone(), input }
    }
}

/// The exit status that says: this peer has no such measure.
pub const NOT_OFFERED: i32 = 3;

pub fn not_offered() -> ! {
    std::process::exit(NOT_OFFERED)
}
