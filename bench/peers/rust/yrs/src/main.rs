//! yrs. Positions are UTF-16 units, as in Yjs; updates in the second encoding where they are kept
//! or exchanged whole, in the first where they are many and small: each the smaller.

use harness::input::Content;
use harness::map::Versioned;
use harness::{map, text, Job, MapPeer, Patch, Report, TextPeer, Value};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    Any, ClientID, Doc, GetString, Map, MapRef, Number, OffsetKind, Options, Out, ReadTxn,
    StateVector, Text, TextRef, Transact, TransactionMut, Update,
};

/// A document and its open transaction, which must go first.
struct Open {
    transaction: Option<TransactionMut<'static>>,
    doc: Box<Doc>,
}

impl Open {
    fn new(agent: usize, keep_history: bool) -> Self {
        let options = Options {
            offset_kind: OffsetKind::Utf16,
            skip_gc: keep_history,
            ..Options::with_client_id(ClientID::new(agent as u64))
        };
        Open { transaction: None, doc: Box::new(Doc::with_options(options)) }
    }

    fn transaction(&mut self) -> &mut TransactionMut<'static> {
        let doc: *const Doc = &*self.doc;
        // SAFETY: the document is boxed, and outlives the transaction, which is declared first.
        self.transaction.get_or_insert_with(|| unsafe { (*doc).transact_mut() })
    }

    fn commit(&mut self) {
        self.transaction = None;
    }

    fn save(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v2(&StateVector::default())
    }
}

struct YrsText {
    open: Open,
    text: TextRef,
    update: Vec<u8>,
}

impl YrsText {
    fn with(agent: usize, keep_history: bool) -> Self {
        let open = Open::new(agent, keep_history);
        let text = open.doc.get_or_insert_text("text");
        YrsText { open, text, update: Vec::new() }
    }
}

impl TextPeer for YrsText {
    fn new(agent: usize) -> Self {
        Self::with(agent, false)
    }

    fn new_with_history(agent: usize) -> Self {
        Self::with(agent, true)
    }

    fn edit(&mut self, (position, deleted, inserted): &Patch) {
        let transaction = self.open.transaction();
        if *deleted > 0 {
            self.text.remove_range(transaction, *position as u32, *deleted as u32);
        }
        if !inserted.is_empty() {
            self.text.insert(transaction, *position as u32, inserted);
        }
    }

    fn commit(&mut self) {
        self.open.commit();
    }

    fn text(&self) -> String {
        self.text.get_string(&self.open.doc.transact())
    }

    fn take_update(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.update)
    }

    fn receive(&mut self, updates: &[&[u8]]) {
        let mut transaction = self.open.doc.transact_mut();
        for update in updates {
            let update = Update::decode_v1(update).expect("an update");
            transaction.apply_update(update).expect("an update that fits");
        }
    }

    fn save_history(&mut self) -> Option<Vec<u8>> {
        Some(self.open.save())
    }

    fn save_state(&mut self) -> Option<Vec<u8>> {
        Some(self.open.save())
    }

    fn load(bytes: &[u8]) -> Self {
        let peer = Self::with(98, false);
        let update = Update::decode_v2(bytes).expect("a saved document");
        peer.open.doc.transact_mut().apply_update(update).expect("a saved document");
        peer
    }
}

/// A text whose commits leave their updates to be taken.
struct YrsSender(YrsText);

impl TextPeer for YrsSender {
    fn new(agent: usize) -> Self {
        YrsSender(YrsText::new(agent))
    }

    fn edit(&mut self, patch: &Patch) {
        self.0.edit(patch);
    }

    fn commit(&mut self) {
        self.0.update = self.0.open.transaction().encode_update_v1();
        self.0.commit();
    }

    fn text(&self) -> String {
        self.0.text()
    }

    fn take_update(&mut self) -> Vec<u8> {
        self.0.take_update()
    }

    fn receive(&mut self, updates: &[&[u8]]) {
        self.0.receive(updates);
    }

    fn save_history(&mut self) -> Option<Vec<u8>> {
        self.0.save_history()
    }

    fn save_state(&mut self) -> Option<Vec<u8>> {
        self.0.save_state()
    }

    fn load(bytes: &[u8]) -> Self {
        YrsSender(YrsText::load(bytes))
    }
}

struct YrsMap {
    open: Open,
    map: MapRef,
}

impl MapPeer for YrsMap {
    fn new(agent: usize) -> Self {
        let open = Open::new(agent, false);
        let map = open.doc.get_or_insert_map("map");
        YrsMap { open, map }
    }

    fn set(&mut self, key: &str, value: &Value) {
        let value = match value {
            Value::Integer(number) => Any::Number(Number::Int(*number)),
            Value::Text(text) => Any::from(text.as_str()),
        };
        self.map.insert(self.open.transaction(), key, value);
    }

    fn remove(&mut self, key: &str) {
        self.map.remove(self.open.transaction(), key);
    }

    fn commit(&mut self) {
        self.open.commit();
    }

    fn get(&self, key: &str) -> Option<Value> {
        match self.map.get(&self.open.doc.transact(), key)? {
            Out::Any(Any::Number(Number::Int(number))) => Some(Value::Integer(number)),
            Out::Any(Any::String(text)) => Some(Value::Text(text.to_string())),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn exchange(here: &mut Self, there: &mut Self, both_ways: bool) -> usize {
        map::exchange_by_version(here, there, both_ways)
    }

    fn save(&mut self) -> Vec<u8> {
        self.open.save()
    }

    fn version_bytes(&mut self) -> usize {
        self.version().len()
    }
}

impl Versioned for YrsMap {
    fn version(&mut self) -> Vec<u8> {
        self.open.doc.transact().state_vector().encode_v1()
    }

    fn diff(&mut self, version: &[u8]) -> Vec<u8> {
        let version = StateVector::decode_v1(version).expect("a state vector");
        self.open.doc.transact().encode_state_as_update_v2(&version)
    }

    fn join(&mut self, diff: &[u8]) {
        let update = Update::decode_v2(diff).expect("an update");
        self.open.doc.transact_mut().apply_update(update).expect("an update that fits");
    }
}

fn main() {
    let job = Job::from_arguments();
    let version = harness::pinned_version("yrs");
    let report = Report { system: "yrs", version, input: job.input.name };
    match &job.input.content {
        Content::Text(trace) if job.measure == "merge" => {
            text::run::<YrsSender>(&job.measure, trace, &report)
        }
        Content::Text(trace) => text::run::<YrsText>(&job.measure, trace, &report),
        Content::Map(history) => map::run::<YrsMap>(&job.measure, history, &report),
    }
}
