// Everything that crosses the wire, as values. The encoding is Cap'n Proto (rejoin.capnp); what
// each message means and when it is sent is in docs/protocol.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rejoin/crdt/clock.h"
#include "rejoin/crdt/event.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/history.h"
#include "rejoin/crdt/result.h"

namespace rejoin::transport {

inline constexpr std::uint16_t protocol_version = 1;
inline constexpr std::size_t message_bytes_max = 80u << 20;  // one event at its largest, and change
inline constexpr std::size_t chunk_bytes_max = 4u << 20;
inline constexpr std::size_t name_bytes_max = 255;           // node, cluster and space names
inline constexpr std::size_t digests_max = 1u << 16;         // of one Digests message
inline constexpr std::size_t events_max = 1u << 16;          // of one Events message
inline constexpr std::size_t sketch_symbols_max = 1u << 16;  // of one Sketch message
inline constexpr std::size_t wanted_cells_max = 1u << 18;    // of one SketchAnswer
inline constexpr std::size_t contacts_max = 16;              // of one Neighbour message
inline constexpr std::size_t endpoint_bytes_max = 1024;
inline constexpr std::size_t rumours_max = 1u << 12;  // of one Rumours message
inline constexpr std::uint64_t rumour_number_max = std::uint64_t{1} << 62;
inline constexpr std::size_t writers_enough_max = 1u << 12;  // of one Ack
inline constexpr std::size_t missing_writes_max = 1u << 12;  // of one WantHistory
inline constexpr std::size_t reject_reason_bytes_max = 1024;

// What may name a node, a cluster or a space: 1 to name_bytes_max bytes of UTF-8 without control
// characters, so that a name can be a routing id and can be logged as it is.
bool is_valid_name(std::string_view name);

// First contact, and while the other side is silent. Reveals nothing of any space. Who answers a
// challenge proves that it has run since that was drawn; 0 stands for none of either.
struct Hello {
  std::uint64_t challenge = 0;  // drawn at random, to be answered
  std::uint64_t answer = 0;     // the receiver's challenge
};

// One fixed-size summary of all spaces that the receiver is not known to lack: a sum of hashes of
// (space name, clocks, state hash). Equal summaries: nothing to do.
struct Summary {
  StateHash of_all;
  std::uint32_t spaces = 0;
  std::uint64_t view = 0;  // hash of the members and their incarnations, as the sender knows them;
                           // 0: it does not know all. Equal ones: both mean the same processes
  std::uint64_t life = 0;  // hash of what the sender believes of who is alive
};

// Both hashes zero: the sender does not have the space.
struct SpaceDigest {
  std::string space;
  StateHash clock;  // of the fingerprints of the applied and the durable clock
  StateHash state;
};

// Answer to a Summary that differs: one digest a space, in pages.
struct Digests {
  std::vector<SpaceDigest> digests;
  std::uint64_t view = 0;  // as in Summary
};

// The clock of a space with the certificate: what the sender has applied, and how much of it would
// survive its power loss. `want_reply` asks for the receiver's clock in return; `gap` says that
// events wait at the sender for some that it lacks, so what the receiver sent last did not all
// arrive.
struct ClockReport {
  std::string space;
  Clock applied;
  Clock durable;
  StateHash state;
  bool want_reply = false;
  bool gap = false;
  std::uint64_t view = 0;  // as in Summary
  // Of the ids that the clocks leave out, because all that they wrote is here and durable
  // (Document::retired_hash).
  StateHash retired = {};
  // It could not be told from the receiver's last report what the receiver leaves out.
  bool puzzled = false;
  ReplicaId writer = {};  // what the sender writes under
};

// New or missing events, in causal order.
struct Events {
  std::string space;
  std::vector<EventPtr> events;
};

// What of the receiver's recent events is durable at the sender: only entries that changed. Events
// of the writers in `enough` came by another way before: they need not be passed on at once.
struct Ack {
  std::string space;
  Clock durable;
  std::vector<ReplicaId> enough = {};
};

// Part of an encoded Delta. All parts of one transfer carry the same totals; the receiver applies
// the delta when it has every part.
struct Chunk {
  std::string space;
  std::uint64_t transfer = 0;  // chosen by the sender, unique per sender incarnation
  std::uint64_t total_bytes = 0;
  std::uint64_t offset = 0;
  std::string bytes;
};

// The receiver has every byte of the transfer before `received`. Opens the sender's window.
struct ChunkAck {
  std::string space;
  std::uint64_t transfer = 0;
  std::uint64_t received = 0;
};

// Part of a sketch (rejoin/crdt/sketch.h) of the sender's cells at `clock`, by which the receiver
// finds out in which cells it differs: for one that cannot be told what it lacks, since removals
// are forgotten that it has not seen.
struct Sketch {
  std::string space;
  std::uint64_t comparison = 0;  // seed of the hashes; drawn for each comparison
  Clock clock;
  std::uint64_t cells = 0;  // that the sender has
  std::uint32_t from = 0;   // number of the first symbol
  std::string bytes;        // encode_symbols()
  StateHash retired = {};   // of the ids that the clock leaves out
};

// Asks for the symbols from `have` on; or, when all differences are found, for the sender's cells
// with the hashes in `wanted`, which come as a transfer.
struct SketchAnswer {
  std::string space;
  std::uint64_t comparison = 0;
  std::uint32_t have = 0;
  bool done = false;
  std::vector<std::uint64_t> wanted;
};

// Who are neighbours in a cluster too large for everybody to talk with everybody.
struct Neighbour {
  enum class Step : std::uint8_t { ask, accept, refuse, part };
  Step step = Step::ask;
  bool urgent = false;  // of ask: the sender finds no neighbour, or comes from another part of a
                        // cluster that was cut in two
  bool leaf = false;    // of ask: the sender cannot be dialled
  std::string endpoint = {};  // of ask: at which it can be
  // Of refuse and part: who else may be asked.
  struct Contact {
    std::string name;
    std::string endpoint;
  };
  std::vector<Contact> others = {};
};

// What is said of a member. A higher number is newer; of equal ones the worse news counts. Only the
// member itself raises its number.
enum class Life : std::uint8_t { alive, suspected, dead };
const char* life_name(Life life);  // "alive"
struct Rumour {
  std::string member;
  std::uint64_t number = 0;
  Life life = Life::alive;

  friend bool operator==(const Rumour&, const Rumour&) = default;
};
struct Rumours {
  std::vector<Rumour> rumours;
};

// Asks one who keeps the history of a space for events that came to the sender's without them.
struct WantHistory {
  std::string space;
  std::vector<MissingWrites> missing;
};

// The first of them in causal order; none when the sender has nothing to give.
struct History {
  std::string space;
  std::vector<EventPtr> events;
};

// Why the sender will not talk: another protocol version or another cluster.
struct Reject {
  ErrorCode code = ErrorCode::invalid_argument;
  std::string reason;
};

using Body = std::variant<Hello, Summary, Digests, ClockReport, Events, Ack, Chunk, ChunkAck,
                          Reject, Sketch, SketchAnswer, Neighbour, Rumours, WantHistory, History>;

struct Message {
  std::string cluster;            // nodes of different clusters do not mix
  std::string sender;             // the sending node's name
  std::uint64_t incarnation = 0;  // of the sending process: drawn anew at every start
  std::uint64_t receiver = 0;     // incarnation that it is meant for; 0: Hello and Reject, for any
  Body body;
};

// Lower-case name of a body's kind ("clock_report"), for logs, metrics and traces.
const char* kind_name(const Body& body);

// A message that breaks a limit or a rule that decode() enforces is a programmer error and aborts:
// names are checked where they enter (is_valid_name), and whoever fills a message counts as it
// goes. Only a Reject's reason is made to fit. O(size).
// `version`: another one is for who tests that it is refused.
std::string encode(const Message& message, std::uint16_t version = protocol_version);
// `malformed` when the bytes do not parse, pass a limit or break a rule; `unsupported_version` when
// they are of another protocol version (the error names both). Never throws, and takes memory in
// proportion to the bytes it is given. The cluster is not compared with anything. `bytes` may lie
// at any address; from one that is a multiple of eight, as a std::string's on the heap is, nothing
// is copied but what the message keeps.
Result<Message> decode(std::string_view bytes);
// The same for a message without its last eight bytes, the checksum that decode() holds it to: for
// tests and fuzzers, whose made-up messages would otherwise not come far.
Result<Message> decode_frame(std::string_view frame);

}  // namespace rejoin::transport
