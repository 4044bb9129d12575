//! automerge. It always keeps its whole history. Positions are code points.

use automerge::sync::{self, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{
    ActorId, AutoCommit, Change, ObjId, ObjType, ReadDoc, ScalarValue, TextEncoding, ROOT,
};
use harness::input::Content;
use harness::{map, text, Job, MapPeer, Patch, Report, TextPeer, Value};

fn new_document(agent: usize) -> AutoCommit {
    let doc = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint);
    doc.with_actor(ActorId::from((agent as u64).to_be_bytes()))
}

struct Text {
    doc: AutoCommit,
    text: ObjId,
}

impl Text {
    fn with(doc: AutoCommit) -> Self {
        let (_, text) = doc.get(ROOT, "text").expect("a document").expect("a text");
        Text { doc, text }
    }
}

impl TextPeer for Text {
    /// All replicas share the change that made the text.
    fn new(agent: usize) -> Self {
        let mut doc = new_document(0);
        doc.put_object(ROOT, "text", ObjType::Text).expect("a new text");
        doc.commit();
        doc.set_actor(ActorId::from((agent as u64).to_be_bytes()));
        Self::with(doc)
    }

    fn edit(&mut self, (position, deleted, inserted): &Patch) {
        self.doc
            .splice_text(&self.text, *position, *deleted as isize, inserted)
            .expect("a range within the text");
    }

    fn commit(&mut self) {
        self.doc.commit();
    }

    fn text(&self) -> String {
        self.doc.text(&self.text).expect("a text")
    }

    fn take_update(&mut self) -> Vec<u8> {
        let change = self.doc.get_last_local_change().expect("a change");
        change.raw_bytes().to_vec()
    }

    fn receive(&mut self, updates: &[&[u8]]) {
        let changes: Vec<Change> =
            updates.iter().map(|update| Change::try_from(*update).expect("a change")).collect();
        self.doc.apply_changes(changes).expect("changes that fit");
    }

    fn save_history(&mut self) -> Option<Vec<u8>> {
        Some(self.doc.save())
    }

    fn save_state(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn load(bytes: &[u8]) -> Self {
        Self::with(AutoCommit::load(bytes).expect("a saved document"))
    }
}

struct Map {
    doc: AutoCommit,
    /// What it remembers of the other replica from one connection to the next.
    other: sync::State,
}

impl Map {
    fn reconnect(&mut self) {
        let remembered = self.other.encode();
        self.other = sync::State::decode(&remembered).expect("a remembered state");
    }

    fn next_message(&mut self) -> Option<Vec<u8>> {
        let message = self.doc.sync().generate_sync_message(&mut self.other)?;
        Some(message.encode())
    }

    fn take(&mut self, message: &[u8]) {
        let message = sync::Message::decode(message).expect("a message");
        self.doc.sync().receive_sync_message(&mut self.other, message).expect("changes that fit");
    }
}

impl MapPeer for Map {
    fn new(agent: usize) -> Self {
        Map { doc: new_document(agent), other: sync::State::new() }
    }

    fn set(&mut self, key: &str, value: &Value) {
        let value = match value {
            Value::Integer(number) => ScalarValue::Int(*number),
            Value::Text(text) => ScalarValue::from(text.as_str()),
        };
        self.doc.put(ROOT, key, value).expect("a value");
    }

    fn remove(&mut self, key: &str) {
        self.doc.delete(ROOT, key).expect("a key");
    }

    fn commit(&mut self) {
        self.doc.commit();
    }

    fn get(&self, key: &str) -> Option<Value> {
        let (value, _) = self.doc.get(ROOT, key).expect("a document")?;
        match value.as_scalar() {
            Some(ScalarValue::Int(number)) => Some(Value::Integer(*number)),
            Some(ScalarValue::Str(text)) => Some(Value::Text(text.to_string())),
            other => panic!("{key} is {other:?}"),
        }
    }

    /// Messages of the sync protocol until neither side has another; one way only makes no sense
    /// there, since the receiver asks by the same messages.
    fn exchange(here: &mut Self, there: &mut Self, _both_ways: bool) -> usize {
        here.reconnect();
        there.reconnect();
        let mut bytes = 0;
        loop {
            let to_there = here.next_message();
            if let Some(message) = &to_there {
                bytes += message.len();
                there.take(message);
            }
            let to_here = there.next_message();
            if let Some(message) = &to_here {
                bytes += message.len();
                here.take(message);
            }
            if to_there.is_none() && to_here.is_none() {
                return bytes;
            }
        }
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.save()
    }

    fn version_bytes(&mut self) -> usize {
        self.doc.get_heads().len() * 32
    }
}

fn main() {
    let job = Job::from_arguments();
    let version = harness::pinned_version("automerge");
    let report = Report { system: "automerge", version, input: job.input.name };
    match &job.input.content {
        Content::Text(trace) => text::run::<Text>(&job.measure, trace, &report),
        Content::Map(history) => map::run::<Map>(&job.measure, history, &report),
    }
}
