// What the runners of JavaScript peers share: the measures, and the lines that they print. A peer
// is an object with `text` and `map`, as in yjs/runner.mjs: `create(agent)` gives a replica.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const WARM_UPS = 3;
const SAMPLES_MAX = 9;
const BUDGET_MS = 1000;
const BATCH = 1000; // patches a commit where a trace is replayed in batches
const NOT_OFFERED = 3; // the exit status that says: this peer has no such measure

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

// The median, in milliseconds, of several runs of `work` after warm-ups, each on a fresh result of
// `prepare`, which is not measured. A run's time is the lesser of elapsed and processor time:
// waiting for a core is not the peer's doing, nor is what the engine's helper threads do meanwhile.
function medianMs(prepare, work) {
  const begin = performance.now();
  const exhausted = () => performance.now() - begin > BUDGET_MS;
  for (let run = 0; run === 0 || (run < WARM_UPS && !exhausted()); ++run) work(prepare());
  const times = [];
  let result;
  do {
    const prepared = prepare();
    result = undefined;
    globalThis.gc();
    const [elapsed, processor] = [performance.now(), processorMs()];
    result = work(prepared);
    times.push(Math.min(performance.now() - elapsed, processorMs() - processor));
  } while (times.length < SAMPLES_MAX && !exhausted());
  times.sort((a, b) => a - b);
  return [times[times.length >> 1], result];
}

function heldBytes() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

// ---- Text ----

const eachTransaction = (trace) => trace.transactions.map((transaction) => transaction.patches);

function inBatches(trace) {
  const patches = eachTransaction(trace).flat();
  const batches = [];
  for (let at = 0; at < patches.length; at += BATCH) batches.push(patches.slice(at, at + BATCH));
  return batches;
}

function replayed(peer, transactions) {
  for (const patches of transactions) peer.edit(patches);
  return peer;
}

function loaded(text, bytes) {
  const peer = text.load(bytes);
  return peer.text();
}

// Gives one update a transaction, and each agent's replica.
function replayedConcurrently(text, trace) {
  const replicas = Array.from({ length: trace.agents }, (_, agent) => text.create(agent + 1));
  const updates = [];
  for (const { agent, receive, patches } of trace.transactions) {
    replicas[agent].receive(receive.map((index) => updates[index]));
    updates.push(replicas[agent].editForUpdate(patches));
  }
  trace.receive_at_end.forEach((lacking, agent) => {
    replicas[agent].receive(lacking.map((index) => updates[index]));
  });
  return [updates, replicas];
}

const textMeasures = {
  replay(text, trace, report) {
    for (const [measure, transactions] of [
      ['replay_committed', eachTransaction(trace)],
      ['replay', inBatches(trace)],
    ]) {
      const [ms, peer] = medianMs(() => {}, () => replayed(text.create(1), transactions));
      report(measure, ms, 'ms', [peer.text()]);
    }
  },

  save(text, trace, report) {
    const transactions = inBatches(trace);
    const load = (measure, bytes) => {
      const [ms, result] = medianMs(() => {}, () => loaded(text, bytes));
      report(measure, ms, 'ms', [result]);
    };
    const history = text.saveWithHistory?.(transactions);
    if (history) {
      report('bytes_history', history.length, 'bytes');
      if (text.loadsHistory) load('load_history', history);
    }
    const state = replayed(text.create(1), transactions).save();
    report('bytes_state', state.length, 'bytes');
    load('load', state);
  },

  memory(text, trace, report) {
    const transactions = inBatches(trace);
    // What is allocated once a process stays out; the first stays alive, so as not to be deducted.
    const first = replayed(text.create(1), transactions);
    const before = heldBytes();
    const peer = replayed(text.create(1), transactions);
    const held = heldBytes() - before;
    const result = peer.text();
    if (first.text() !== result) throw new Error('two replays differ');
    report('memory', held - Buffer.byteLength(result), 'bytes', [result]);
  },

  merge(text, trace, report) {
    const [updates, replicas] = replayedConcurrently(text, trace);
    const texts = replicas.map((replica) => replica.text());
    const [ms, result] = medianMs(
      () => text.create(99),
      (peer) => {
        peer.receive(updates);
        return peer.text();
      },
    );
    report('merge', ms, 'ms', [...texts, result]);
    const whole = replicas[0].save();
    const [wholeMs, wholeResult] = medianMs(() => {}, () => loaded(text, whole));
    report('merge_whole', wholeMs, 'ms', [wholeResult]);
  },
};

// ---- Maps ----

const written = (peer, transactions) => {
  for (const writes of transactions) peer.write(writes);
};

// Both replicas after writing apart.
function apart(map, history) {
  const here = map.create(1);
  const there = map.create(2);
  written(here, history.base);
  map.exchange(here, there, true);
  written(here, history.here);
  written(there, history.there);
  return [here, there];
}

// The two sides write different keys, so that the last write of each key is its value.
function check(peer, history) {
  const last = new Map([...history.base, ...history.here, ...history.there].flat());
  for (const [key, value] of last) {
    const found = peer.get(key) ?? null;
    if (found !== value) throw new Error(`${key} is ${found}, not ${value}`);
  }
}

function exchange(measure) {
  return (map, history, report) => {
    const [ms, [here, there, bytes]] = medianMs(
      () => apart(map, history),
      ([first, second]) => [first, second, map.exchange(first, second, history.there.length > 0)],
    );
    check(here, history);
    check(there, history);
    report(`${measure}_bytes`, bytes, 'bytes');
    report(`${measure}_time`, ms, 'ms');
  };
}

const mapMeasures = {
  catch_up: exchange('catch_up'),
  reconcile: exchange('reconcile'),
  residue(map, history, report) {
    const peer = map.create(1);
    written(peer, history.base);
    written(peer, history.here);
    check(peer, history);
    report('residue_bytes', Math.max(0, peer.save().length - peer.versionBytes()), 'bytes');
  },
};

// ---- The command line: MEASURE INPUT-FILE ----

export function run({ name, text, map }) {
  const [, runner, measure, file] = process.argv;
  const input = JSON.parse(readFileSync(file, 'utf8'));
  const [measures, type] = input.transactions ? [textMeasures, text] : [mapMeasures, map];
  if (!measures[measure] || !type) process.exit(NOT_OFFERED);
  const manifest = new URL('package.json', pathToFileURL(runner));
  const version = JSON.parse(readFileSync(manifest, 'utf8')).dependencies[name];
  measures[measure](type, input, (figure, value, unit, texts = []) => {
    const line = { system: name, version, input: input.name, measure: figure, value, unit, texts };
    console.log(JSON.stringify(line));
  });
}
