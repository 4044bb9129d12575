// Yjs. Positions are UTF-16 units. Updates are in the second encoding where they are kept or
// exchanged whole, in the first where they are many and small: each the smaller.
import * as Y from 'yjs';
import { run } from '../harness.mjs';

function newDocument(agent, gc = true) {
  const doc = new Y.Doc({ gc });
  doc.clientID = agent;
  return doc;
}

class Text {
  constructor(doc) {
    this.doc = doc;
    this.type = doc.getText('text');
  }

  edit(patches) {
    this.doc.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) this.type.delete(position, deleted);
        if (inserted) this.type.insert(position, inserted);
      }
    });
  }

  editForUpdate(patches) {
    let update;
    const keep = (bytes) => (update = bytes);
    this.doc.on('update', keep);
    this.edit(patches);
    this.doc.off('update', keep);
    return update;
  }

  receive(updates) {
    if (updates.length === 0) return;
    this.doc.transact(() => {
      for (const update of updates) Y.applyUpdate(this.doc, update);
    });
  }

  text() {
    return this.type.toString();
  }

  save() {
    return Y.encodeStateAsUpdateV2(this.doc);
  }
}

const text = {
  create: (agent) => new Text(newDocument(agent)),
  load(bytes) {
    const doc = newDocument(98);
    Y.applyUpdateV2(doc, bytes);
    return new Text(doc);
  },
  loadsHistory: true,
  saveWithHistory(transactions) {
    const peer = new Text(newDocument(1, false));
    for (const patches of transactions) peer.edit(patches);
    return peer.save();
  },
};

class SharedMap {
  constructor(agent) {
    this.doc = newDocument(agent);
    this.type = this.doc.getMap('map');
  }

  write(writes) {
    this.doc.transact(() => {
      for (const [key, value] of writes) {
        if (value === null) this.type.delete(key);
        else this.type.set(key, value);
      }
    });
  }

  get(key) {
    return this.type.get(key);
  }

  save() {
    return Y.encodeStateAsUpdateV2(this.doc);
  }

  versionBytes() {
    return Y.encodeStateVector(this.doc).length;
  }
}

const map = {
  create: (agent) => new SharedMap(agent),
  exchange(here, there, bothWays) {
    const thereHas = Y.encodeStateVector(there.doc);
    const toThere = Y.encodeStateAsUpdateV2(here.doc, thereHas);
    let bytes = thereHas.length + toThere.length;
    if (bothWays) {
      const hereHas = Y.encodeStateVector(here.doc);
      const toHere = Y.encodeStateAsUpdateV2(there.doc, hereHas);
      Y.applyUpdateV2(here.doc, toHere);
      bytes += hereHas.length + toHere.length;
    }
    Y.applyUpdateV2(there.doc, toThere);
    return bytes;
  },
};

run({ name: 'yjs', text, map });
