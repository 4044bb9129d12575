// json-joy. Positions are UTF-16 units. It has no exchange of its own: a replica is sent the
// patches that it lacks.
import { createRequire } from 'node:module';
import { run } from '../harness.mjs';

const require = createRequire(import.meta.url);
const { Model } = require('json-joy/lib/json-crdt');
const { Patch, s } = require('json-joy/lib/json-crdt-patch');

const FIRST_SESSION = 100_000; // lower ones are reserved

// Every replica makes the same first nodes itself; they are not to be sent as a part of its writes.
function newModel(schema, agent) {
  const model = Model.create(schema, FIRST_SESSION + agent);
  model.api.flush();
  return model;
}

class Text {
  constructor(model) {
    this.model = model;
    this.type = model.api.str(['text']);
  }

  edit(patches) {
    for (const [position, deleted, inserted] of patches) {
      if (deleted > 0) this.type.del(position, deleted);
      if (inserted) this.type.ins(position, inserted);
    }
    return this.model.api.flush();
  }

  editForUpdate(patches) {
    return this.edit(patches).toBinary();
  }

  receive(updates) {
    this.model.applyBatch(updates.map((update) => Patch.fromBinary(update)));
  }

  text() {
    return this.type.view();
  }

  save() {
    return this.model.toBinary();
  }
}

const text = {
  create: (agent) => new Text(newModel(s.obj({ text: s.str('') }), agent)),
  load: (bytes) => new Text(Model.load(bytes, FIRST_SESSION + 98)),
};

class SharedMap {
  constructor(agent) {
    this.model = newModel(s.obj({ map: s.obj({}) }), agent);
    this.type = this.model.api.obj(['map']);
    this.patches = []; // own, as bytes
    this.sent = 0; // how many of them the other replica has
  }

  write(writes) {
    for (const [key, value] of writes) {
      if (value === null) this.type.del([key]);
      else this.type.set({ [key]: s.con(value) });
    }
    this.patches.push(this.model.api.flush().toBinary());
  }

  get(key) {
    return this.type.has(key) ? this.model.api.con(['map', key]).view() : null;
  }

  take(updates) {
    this.model.applyBatch(updates.map((update) => Patch.fromBinary(update)));
    return updates.reduce((bytes, update) => bytes + update.length, 0);
  }

  unsent() {
    const updates = this.patches.slice(this.sent);
    this.sent = this.patches.length;
    return updates;
  }

  save() {
    return this.model.toBinary();
  }

  versionBytes() {
    return 0;
  }
}

const map = {
  create: (agent) => new SharedMap(agent),
  exchange(here, there, bothWays) {
    const bytes = there.take(here.unsent());
    return bothWays ? bytes + here.take(there.unsent()) : bytes;
  },
};

run({ name: 'json-joy', text, map });
