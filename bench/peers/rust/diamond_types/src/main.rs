//! diamond-types: text only, and always with its whole history. Positions are code points.

use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};
use diamond_types::list::ListCRDT;
use diamond_types::{AgentId, LocalVersion};
use harness::input::{not_offered, Content};
use harness::{text, Job, Patch, Report, TextPeer};

struct DiamondTypes {
    list: ListCRDT,
    agent: AgentId,
    taken: LocalVersion,
}

impl DiamondTypes {
    fn with(mut list: ListCRDT, agent: usize) -> Self {
        let agent = list.get_or_create_agent_id(&format!("agent-{agent}"));
        DiamondTypes { taken: list.oplog.local_version(), agent, list }
    }
}

impl TextPeer for DiamondTypes {
    fn new(agent: usize) -> Self {
        Self::with(ListCRDT::new(), agent)
    }

    fn edit(&mut self, (position, deleted, inserted): &Patch) {
        if *deleted > 0 {
            self.list.delete_without_content(self.agent, *position..position + deleted);
        }
        if !inserted.is_empty() {
            self.list.insert(self.agent, *position, inserted);
        }
    }

    fn commit(&mut self) {}

    fn text(&self) -> String {
        self.list.branch.content().to_string()
    }

    fn take_update(&mut self) -> Vec<u8> {
        let update = self.list.oplog.encode_from(ENCODE_PATCH, &self.taken);
        self.taken = self.list.oplog.local_version();
        update
    }

    fn receive(&mut self, updates: &[&[u8]]) {
        for update in updates {
            self.list.oplog.decode_and_add(update).expect("a patch that fits");
        }
        let tip = self.list.oplog.local_version();
        self.list.branch.merge(&self.list.oplog, &tip);
        self.taken = tip;
    }

    fn save_history(&mut self) -> Option<Vec<u8>> {
        Some(self.list.oplog.encode(ENCODE_FULL))
    }

    fn save_state(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn load(bytes: &[u8]) -> Self {
        Self::with(ListCRDT::load_from(bytes).expect("a saved document"), 98)
    }
}

fn main() {
    let job = Job::from_arguments();
    let version = harness::pinned_version("diamond-types");
    let report = Report { system: "diamond-types", version, input: job.input.name };
    match &job.input.content {
        Content::Text(trace) => text::run::<DiamondTypes>(&job.measure, trace, &report),
        Content::Map(_) => not_offered(),
    }
}
