//! Measures over a map that two replicas write.

use crate::clock::median_ms;
use crate::input::{not_offered, MapHistory, Value, Write};
use crate::report::Report;

/// One replica of a map.
pub trait MapPeer: Sized {
    fn new(agent: usize) -> Self;
    fn set(&mut self, key: &str, value: &Value);
    fn remove(&mut self, key: &str);
    fn commit(&mut self);
    fn get(&self, key: &str) -> Option<Value>;

    /// Brings both replicas to the same state (only `there`, if `both_ways` is false), and gives
    /// the number of bytes that crossed the link.
    fn exchange(here: &mut Self, there: &mut Self, both_ways: bool) -> usize;
    /// The smallest form from which the replica can go on.
    fn save(&mut self) -> Vec<u8>;
    /// How many bytes of `save` only say which writes this replica has.
    fn version_bytes(&mut self) -> usize;
}

/// A peer that is told a version and answers with what it lacks.
pub trait Versioned {
    fn version(&mut self) -> Vec<u8>;
    fn diff(&mut self, version: &[u8]) -> Vec<u8>;
    fn join(&mut self, diff: &[u8]);
}

/// `MapPeer::exchange` of such a peer.
pub fn exchange_by_version<P: Versioned>(here: &mut P, there: &mut P, both_ways: bool) -> usize {
    let there_has = there.version();
    let to_there = here.diff(&there_has);
    let mut bytes = there_has.len() + to_there.len();
    if both_ways {
        let here_has = here.version();
        let to_here = there.diff(&here_has);
        here.join(&to_here);
        bytes += here_has.len() + to_here.len();
    }
    there.join(&to_there);
    bytes
}

pub fn run<P: MapPeer>(measure: &str, history: &MapHistory, report: &Report) {
    match measure {
        "catch_up" | "reconcile" => exchange::<P>(measure, history, report),
        "residue" => residue::<P>(history, report),
        _ => not_offered(),
    }
}

fn write<P: MapPeer>(peer: &mut P, transactions: &[Vec<Write>]) {
    for transaction in transactions {
        for (key, value) in transaction {
            match value {
                Some(value) => peer.set(key, value),
                None => peer.remove(key),
            }
        }
        peer.commit();
    }
}

/// Both replicas after writing apart. The first is made from scratch, since what it remembers of
/// its own writes may help it.
fn apart<P: MapPeer>(history: &MapHistory) -> (P, P) {
    let mut here = P::new(1);
    write(&mut here, &history.base);
    let mut there = P::new(2);
    P::exchange(&mut here, &mut there, true);
    write(&mut here, &history.here);
    write(&mut there, &history.there);
    (here, there)
}

fn exchange<P: MapPeer>(measure: &str, history: &MapHistory, report: &Report) {
    let both_ways = !history.there.is_empty();
    let (ms, (here, there, bytes)) = median_ms(
        || apart::<P>(history),
        |(mut here, mut there)| {
            let bytes = P::exchange(&mut here, &mut there, both_ways);
            (here, there, bytes)
        },
    );
    check(&here, history);
    check(&there, history);
    report.figure(&format!("{measure}_bytes"), bytes as f64, "bytes");
    report.figure(&format!("{measure}_time"), ms, "ms");
}

/// The two sides write different keys, so that the last write of each key is its value.
fn check<P: MapPeer>(peer: &P, history: &MapHistory) {
    let transactions = history.base.iter().chain(&history.here).chain(&history.there);
    let last: std::collections::HashMap<&String, &Option<Value>> =
        transactions.flatten().map(|(key, value)| (key, value)).collect();
    for (key, value) in last {
        assert_eq!(&peer.get(key), value, "{key} after the exchange");
    }
}

fn residue<P: MapPeer>(history: &MapHistory, report: &Report) {
    let mut peer = P::new(1);
    write(&mut peer, &history.base);
    write(&mut peer, &history.here);
    check(&peer, history);
    let bytes = peer.save().len().saturating_sub(peer.version_bytes());
    report.figure("residue_bytes", bytes as f64, "bytes");
}
