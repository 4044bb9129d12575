# Everything that crosses the wire. What each message means, its sizes and its limits are in
# docs/protocol.md; the frame around an Envelope is described there too.
#
# Fields are only ever added, at the end, with a default that means what their absence meant before.
# Anything else is a new protocol version.
@0x926c3f697f8d90ca;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("rejoin::transport::wire");

struct Envelope {
  # The root of every message, in this and every future version. protocolVersion stays field 0 of it,
  # so that any version can say which one it was handed; nothing else is read when it differs.
  protocolVersion @0 :UInt16;
  incarnation @1 :UInt64;     # of the sending process, drawn anew at every start
  cluster @2 :Text;
  sender @3 :Text;            # the sending node's name

  body :union {
    hello @4 :Hello;
    summary @5 :Summary;
    digests @6 :Digests;
    clockReport @7 :ClockReport;
    events @8 :Events;
    ack @9 :Ack;
    chunk @10 :Chunk;
    chunkAck @11 :ChunkAck;
    reject @12 :Reject;
    sketch @13 :Sketch;
    sketchAnswer @14 :SketchAnswer;
    neighbour @16 :Neighbour;
    rumours @17 :Rumours;
    wantHistory @18 :WantHistory;
    history @19 :History;
  }

  receiver @15 :UInt64;       # incarnation that it is meant for; 0 in a hello and a reject
}

# A clock is Data: a varint count, then 16 bytes of replica id and a varint sequence an entry, in the
# order of the ids. That is 17 to 19 bytes an entry for most; a list of (UInt64, UInt64, UInt64) takes
# 24, and 20 when packed.

struct Hello {
  challenge @0 :UInt64;       # to be answered; 0: none
  answer @1 :UInt64;          # the challenge that this answers; 0: none
}

struct Summary {
  ofAllLow @0 :UInt64;
  ofAllHigh @1 :UInt64;
  spaces @2 :UInt32;
  view @3 :UInt64;            # hash of the sender's view of the members; 0: it does not know all
  life @4 :UInt64;            # hash of what it believes of who is alive
}

struct SpaceDigest {
  space @0 :Text;
  clockLow @1 :UInt64;
  clockHigh @2 :UInt64;
  stateLow @3 :UInt64;
  stateHigh @4 :UInt64;
}

struct Digests {
  digests @0 :List(SpaceDigest);
  view @1 :UInt64;            # as in Summary
}

struct ClockReport {
  space @0 :Text;
  applied @1 :Data;           # a clock
  durable @2 :Data;           # a clock
  stateLow @3 :UInt64;
  stateHigh @4 :UInt64;
  wantReply @5 :Bool;
  gap @6 :Bool;
  view @7 :UInt64;            # as in Summary
  retiredLow @8 :UInt64;      # hash of the ids that the clocks leave out
  retiredHigh @9 :UInt64;
  puzzled @10 :Bool;
  writer @11 :Data;           # 16 bytes: a replica id
}

struct Events {
  space @0 :Text;
  events @1 :List(Data);      # each in the canonical encoding of docs/formats.md
}

struct Ack {
  space @0 :Text;
  durable @1 :Data;           # a clock
  enough @2 :Data;            # 16 bytes a replica id
}

struct Chunk {
  space @0 :Text;
  transfer @1 :UInt64;
  totalBytes @2 :UInt64;
  offset @3 :UInt64;
  bytes @4 :Data;
}

struct ChunkAck {
  space @0 :Text;
  transfer @1 :UInt64;
  received @2 :UInt64;
}

struct Sketch {
  space @0 :Text;
  comparison @1 :UInt64;
  clock @2 :Data;             # a clock
  cells @3 :UInt64;
  from @4 :UInt32;
  symbols @5 :Data;           # as docs/formats.md has them
  retiredLow @6 :UInt64;      # hash of the ids that the clock leaves out
  retiredHigh @7 :UInt64;
}

struct SketchAnswer {
  space @0 :Text;
  comparison @1 :UInt64;
  have @2 :UInt32;
  done @3 :Bool;
  wanted @4 :Data;            # 8 bytes a hash, little-endian
}

struct Neighbour {
  step @0 :UInt8;             # 0 ask, 1 accept, 2 refuse, 3 part
  urgent @1 :Bool;
  leaf @2 :Bool;
  others @3 :List(Contact);
  endpoint @4 :Text;
}

struct Contact {
  name @0 :Text;
  endpoint @1 :Text;
}

struct Rumours {
  rumours @0 :List(Rumour);
}

struct Rumour {
  member @0 :Text;
  number @1 :UInt64;
  life @2 :UInt8;             # 0 alive, 1 suspected, 2 dead
}

struct WantHistory {
  space @0 :Text;
  missing @1 :Data;           # 16 bytes a replica id, then varints: the first and the last sequence
}

struct History {
  space @0 :Text;
  events @1 :List(Data);      # as in Events
}

struct Reject {
  code @0 :UInt16;            # the number of an error code, as docs/protocol.md lists them
  reason @1 :Text;
}
