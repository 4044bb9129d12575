//! loro. Positions are code points.

use harness::input::Content;
use harness::map::Versioned;
use harness::{map, text, Job, MapPeer, Patch, Report, TextPeer, Value};
use loro::{ExportMode, LoroDoc, LoroMap, LoroText, LoroValue, ValueOrContainer, VersionVector};

fn new_document(agent: usize) -> LoroDoc {
    let doc = LoroDoc::new();
    doc.set_peer_id(agent as u64).expect("a peer id");
    doc
}

/// The smaller of the two forms without history.
fn save_without_history(doc: &LoroDoc) -> Vec<u8> {
    let shallow = ExportMode::shallow_snapshot_owned(doc.oplog_frontiers());
    let shallow = doc.export(shallow).expect("a shallow snapshot");
    let state = doc.export(ExportMode::state_only(None)).expect("the state");
    if state.len() < shallow.len() {
        state
    } else {
        shallow
    }
}

struct Text {
    doc: LoroDoc,
    text: LoroText,
    taken: VersionVector,
}

impl Text {
    fn with(doc: LoroDoc) -> Self {
        Text { text: doc.get_text("text"), taken: doc.oplog_vv(), doc }
    }
}

impl TextPeer for Text {
    fn new(agent: usize) -> Self {
        Self::with(new_document(agent))
    }

    fn edit(&mut self, (position, deleted, inserted): &Patch) {
        if *deleted > 0 {
            self.text.delete(*position, *deleted).expect("a range within the text");
        }
        if !inserted.is_empty() {
            self.text.insert(*position, inserted).expect("a position within the text");
        }
    }

    fn commit(&mut self) {
        self.doc.commit();
    }

    fn text(&self) -> String {
        self.text.to_string()
    }

    fn take_update(&mut self) -> Vec<u8> {
        let update = self.doc.export(ExportMode::updates(&self.taken)).expect("an update");
        self.taken = self.doc.oplog_vv();
        update
    }

    fn receive(&mut self, updates: &[&[u8]]) {
        let updates: Vec<Vec<u8>> = updates.iter().map(|update| update.to_vec()).collect();
        self.doc.import_batch(&updates).expect("updates that fit");
        self.taken = self.doc.oplog_vv();
    }

    /// The smaller of the two forms with history.
    fn save_history(&mut self) -> Option<Vec<u8>> {
        let snapshot = self.doc.export(ExportMode::Snapshot).expect("a snapshot");
        let updates = self.doc.export(ExportMode::all_updates()).expect("all updates");
        Some(if updates.len() < snapshot.len() { updates } else { snapshot })
    }

    fn save_state(&mut self) -> Option<Vec<u8>> {
        Some(save_without_history(&self.doc))
    }

    fn load(bytes: &[u8]) -> Self {
        let doc = new_document(98);
        doc.import(bytes).expect("a saved document");
        Self::with(doc)
    }
}

struct Map {
    doc: LoroDoc,
    map: LoroMap,
}

impl MapPeer for Map {
    fn new(agent: usize) -> Self {
        let doc = new_document(agent);
        Map { map: doc.get_map("map"), doc }
    }

    fn set(&mut self, key: &str, value: &Value) {
        let value = match value {
            Value::Integer(number) => LoroValue::from(*number),
            Value::Text(text) => LoroValue::from(text.as_str()),
        };
        self.map.insert(key, value).expect("a value");
    }

    fn remove(&mut self, key: &str) {
        self.map.delete(key).expect("a key");
    }

    fn commit(&mut self) {
        self.doc.commit();
    }

    fn get(&self, key: &str) -> Option<Value> {
        match self.map.get(key)? {
            ValueOrContainer::Value(LoroValue::I64(number)) => Some(Value::Integer(number)),
            ValueOrContainer::Value(LoroValue::String(text)) => Some(Value::Text(text.to_string())),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn exchange(here: &mut Self, there: &mut Self, both_ways: bool) -> usize {
        map::exchange_by_version(here, there, both_ways)
    }

    fn save(&mut self) -> Vec<u8> {
        save_without_history(&self.doc)
    }

    fn version_bytes(&mut self) -> usize {
        self.version().len()
    }
}

impl Versioned for Map {
    fn version(&mut self) -> Vec<u8> {
        self.doc.oplog_vv().encode()
    }

    fn diff(&mut self, version: &[u8]) -> Vec<u8> {
        let version = VersionVector::decode(version).expect("a version vector");
        self.doc.export(ExportMode::updates(&version)).expect("an update")
    }

    fn join(&mut self, diff: &[u8]) {
        self.doc.import(diff).expect("an update that fits");
    }
}

fn main() {
    let job = Job::from_arguments();
    let version = harness::pinned_version("loro");
    let report = Report { system: "loro", version, input: job.input.name };
    match &job.input.content {
        Content::Text(trace) => text::run::<Text>(&job.measure, trace, &report),
        Content::Map(history) => map::run::<Map>(&job.measure, history, &report),
    }
}
