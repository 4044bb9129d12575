//! Measures over recorded editing.

use crate::clock::median_ms;
use crate::input::{not_offered, Patch, Trace};
use crate::memory::allocated_bytes;
use crate::report::Report;

/// Patches a commit where a trace is replayed in batches.
const BATCH: usize = 1000;

/// One replica of a text.
pub trait TextPeer: Sized {
    fn new(agent: usize) -> Self;
    /// One edit call a patch (two where it deletes and inserts).
    fn edit(&mut self, patch: &Patch);
    /// Ends the transaction that the edits since the last commit make.
    fn commit(&mut self);
    fn text(&self) -> String;

    /// What was committed here since the last call, for other replicas.
    fn take_update(&mut self) -> Vec<u8>;
    /// Applies updates in the quickest way that the peer offers for many at once.
    fn receive(&mut self, updates: &[&[u8]]);

    /// Everything, so that every past version can be had again; from a replica that was made with
    /// `keep_history`.
    fn save_history(&mut self) -> Option<Vec<u8>>;
    /// What is needed to hold the present text and go on merging, where that is less.
    fn save_state(&mut self) -> Option<Vec<u8>>;
    fn load(bytes: &[u8]) -> Self;
    /// For peers that forget what was deleted unless told otherwise.
    fn new_with_history(agent: usize) -> Self {
        Self::new(agent)
    }
}

pub fn run<P: TextPeer>(measure: &str, trace: &Trace, report: &Report) {
    match measure {
        "replay" => replay::<P>(trace, report),
        "save" => save::<P>(trace, report),
        "memory" => memory::<P>(trace, report),
        "merge" => merge::<P>(trace, report),
        _ => not_offered(),
    }
}

fn replay_each<P: TextPeer>(mut peer: P, trace: &Trace) -> P {
    for transaction in &trace.transactions {
        for patch in &transaction.patches {
            peer.edit(patch);
        }
        peer.commit();
    }
    peer
}

fn replay_batched<P: TextPeer>(mut peer: P, trace: &Trace) -> P {
    let patches = trace.transactions.iter().flat_map(|transaction| &transaction.patches);
    for (index, patch) in patches.enumerate() {
        peer.edit(patch);
        if (index + 1) % BATCH == 0 {
            peer.commit();
        }
    }
    peer.commit();
    peer
}

fn replay<P: TextPeer>(trace: &Trace, report: &Report) {
    let (ms, peer) = median_ms(|| (), |_| replay_each(P::new(1), trace));
    report.figure_with_texts("replay_committed", ms, "ms", &[peer.text()]);
    drop(peer);
    let (ms, peer) = median_ms(|| (), |_| replay_batched(P::new(1), trace));
    report.figure_with_texts("replay", ms, "ms", &[peer.text()]);
}

fn save<P: TextPeer>(trace: &Trace, report: &Report) {
    let history = replay_batched(P::new_with_history(1), trace).save_history();
    let state = replay_batched(P::new(1), trace).save_state();
    if let Some(bytes) = &history {
        report.figure("bytes_history", bytes.len() as f64, "bytes");
        load::<P>("load_history", bytes, report);
    }
    if let Some(bytes) = &state {
        report.figure("bytes_state", bytes.len() as f64, "bytes");
    }
    // What a user who wants no history would keep.
    if let Some(bytes) = state.as_ref().or(history.as_ref()) {
        load::<P>("load", bytes, report);
    }
}

/// From bytes until the text has been read.
fn load<P: TextPeer>(measure: &str, bytes: &[u8], report: &Report) {
    let (ms, (_, text)) = median_ms(
        || (),
        |_| {
            let peer = P::load(bytes);
            let text = peer.text();
            (peer, text)
        },
    );
    report.figure_with_texts(measure, ms, "ms", &[text]);
}

fn beginning(trace: &Trace) -> Trace {
    let transactions = trace.transactions.iter().take(BATCH).cloned().collect();
    Trace { agents: 1, transactions, receive_at_end: Vec::new() }
}

/// Beyond the text itself, after a replay.
fn memory<P: TextPeer>(trace: &Trace, report: &Report) {
    drop(replay_batched(P::new(1), &beginning(trace))); // allocates what a process needs but once
    let before = allocated_bytes();
    let peer = replay_batched(P::new(1), trace);
    let held = allocated_bytes() - before;
    let text = peer.text();
    report.figure_with_texts("memory", held as f64 - text.len() as f64, "bytes", &[text]);
}

/// Replays with a replica for each agent; gives one update a transaction, and the replicas.
fn replay_concurrently<P: TextPeer>(trace: &Trace) -> (Vec<Vec<u8>>, Vec<P>) {
    let mut replicas: Vec<P> = (0..trace.agents).map(|agent| P::new(agent + 1)).collect();
    let mut updates: Vec<Vec<u8>> = Vec::with_capacity(trace.transactions.len());
    let pick = |updates: &'_ [Vec<u8>], which: &[usize]| -> Vec<Vec<u8>> {
        which.iter().map(|&index| updates[index].clone()).collect()
    };
    for transaction in &trace.transactions {
        let replica = &mut replicas[transaction.agent];
        receive_all(replica, &pick(&updates, &transaction.receive));
        for patch in &transaction.patches {
            replica.edit(patch);
        }
        replica.commit();
        updates.push(replica.take_update());
    }
    for (replica, lacking) in replicas.iter_mut().zip(&trace.receive_at_end) {
        receive_all(replica, &pick(&updates, lacking));
    }
    (updates, replicas)
}

fn receive_all<P: TextPeer>(replica: &mut P, updates: &[Vec<u8>]) {
    if updates.is_empty() {
        return;
    }
    let slices: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
    replica.receive(&slices);
}

/// Into an empty document: an update a recorded transaction, and all as one.
fn merge<P: TextPeer>(trace: &Trace, report: &Report) {
    let (updates, mut replicas) = replay_concurrently::<P>(trace);
    let replica_texts: Vec<String> = replicas.iter().map(P::text).collect();
    let whole = replicas[0].save_history().or_else(|| replicas[0].save_state());
    drop(replicas);
    let slices: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
    let (ms, (_, text)) = median_ms(
        || P::new(99),
        |mut peer| {
            peer.receive(&slices);
            let text = peer.text();
            (peer, text)
        },
    );
    report.figure_with_texts("merge", ms, "ms", &[replica_texts.as_slice(), &[text]].concat());
    if let Some(bytes) = whole {
        load::<P>("merge_whole", &bytes, report);
    }
}
