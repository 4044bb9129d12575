// Messages to and from Cap'n Proto. The frame: a message that is short is sent packed, one that is
// long flat, so that small talk is small and big transfers are neither copied once more nor able to
// unpack to a thousand times their size. The first byte tells: a flat message begins with the zero
// of its segment count, a packed one with the tag of a word that is not zero. Its last eight bytes
// are a checksum: a message in which a bit was flipped on the way may still parse, and what it says
// would be taken into the state.
#include "rejoin/transport/message.h"

#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <capnp/serialize.h>
#include <kj/io.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <type_traits>

#include "message_rules.h"
#include "rejoin.capnp.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/hash.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::transport {
namespace {

// What a packed message may unpack to, in words: 64 KiB.
constexpr std::size_t packed_words_max = 8192;
// Envelope, body, list, element: nothing lies deeper.
constexpr int nesting_max = 8;

// ---- Encoding ----

constexpr std::size_t words_of(std::size_t bytes) { return (bytes + 7) / 8; }

// An upper bound of what a message takes, so that it becomes one segment: texts and data with their
// pointers, and for the structs more than any of them has.
std::size_t words_max(const Message& message) {
  const auto text = [](std::size_t bytes) { return words_of(bytes + 1) + 1; };
  constexpr std::size_t clock_entry_bytes_max = 16 + 10;
  const auto clock = [&](const Clock& c) { return text(10 + c.size() * clock_entry_bytes_max); };
  std::size_t words = 32 + text(message.cluster.size()) + text(message.sender.size());
  std::visit(
      [&]<class T>(const T& body) {
        if constexpr (requires { body.space; }) words += text(body.space.size());
        if constexpr (requires { body.applied; }) words += clock(body.applied);
        if constexpr (requires { body.durable; }) words += clock(body.durable);
        if constexpr (requires { body.clock; }) words += clock(body.clock);
        if constexpr (requires { body.enough; }) words += text(body.enough.size() * 16);
        if constexpr (requires { body.endpoint; }) words += text(body.endpoint.size());
        if constexpr (requires { body.others; }) {
          for (const auto& contact : body.others) {
            words += 2 + text(contact.name.size()) + text(contact.endpoint.size());
          }
        }
        if constexpr (requires { body.rumours; }) {
          for (const Rumour& r : body.rumours) words += 3 + text(r.member.size());
        }
        if constexpr (requires { body.missing; }) {
          words += text(body.missing.size() * (clock_entry_bytes_max + 10));
        }
        if constexpr (requires { body.wanted; }) words += text(body.wanted.size() * 8);
        if constexpr (requires { body.bytes; }) words += text(body.bytes.size());
        if constexpr (requires { body.reason; }) words += text(reject_reason_bytes_max);
        if constexpr (requires { body.digests; }) {
          for (const SpaceDigest& d : body.digests) words += 5 + text(d.space.size());
        }
        if constexpr (requires { body.events; }) {
          for (const EventPtr& e : body.events) words += text(e->encoded().size());
        }
      },
      message.body);
  return words;
}

capnp::Text::Reader text_of(const std::string& text) { return {text.c_str(), text.size()}; }

capnp::Data::Reader data_of(const std::string& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

void write(const Hello& body, wire::Envelope::Body::Builder out) {
  auto hello = out.initHello();
  hello.setChallenge(body.challenge);
  hello.setAnswer(body.answer);
}

void write(const Summary& body, wire::Envelope::Body::Builder out) {
  auto summary = out.initSummary();
  summary.setOfAllLow(body.of_all.low);
  summary.setOfAllHigh(body.of_all.high);
  summary.setSpaces(body.spaces);
  summary.setView(body.view);
  summary.setLife(body.life);
}

void write(const Digests& body, wire::Envelope::Body::Builder out) {
  auto message = out.initDigests();
  message.setView(body.view);
  auto digests = message.initDigests(static_cast<capnp::uint>(body.digests.size()));
  capnp::uint at = 0;
  for (const SpaceDigest& from : body.digests) {
    auto digest = digests[at++];
    digest.setSpace(text_of(from.space));
    digest.setClockLow(from.clock.low);
    digest.setClockHigh(from.clock.high);
    digest.setStateLow(from.state.low);
    digest.setStateHigh(from.state.high);
  }
}

void write(const ClockReport& body, wire::Envelope::Body::Builder out) {
  auto report = out.initClockReport();
  report.setSpace(text_of(body.space));
  report.setApplied(data_of(body.applied.encoded()));
  report.setDurable(data_of(body.durable.encoded()));
  report.setStateLow(body.state.low);
  report.setStateHigh(body.state.high);
  report.setWantReply(body.want_reply);
  report.setGap(body.gap);
  report.setView(body.view);
  report.setRetiredLow(body.retired.low);
  report.setRetiredHigh(body.retired.high);
  report.setPuzzled(body.puzzled);
  if (!body.writer.is_nil()) {
    report.setWriter(capnp::Data::Reader(body.writer.bytes.data(), body.writer.bytes.size()));
  }
}

template <class Builder>
void write_events(const std::vector<EventPtr>& events, Builder message) {
  auto list = message.initEvents(static_cast<capnp::uint>(events.size()));
  capnp::uint at = 0;
  for (const EventPtr& event : events) list.set(at++, data_of(event->encoded()));
}

void write(const Events& body, wire::Envelope::Body::Builder out) {
  auto message = out.initEvents();
  message.setSpace(text_of(body.space));
  write_events(body.events, message);
}

void write(const WantHistory& body, wire::Envelope::Body::Builder out) {
  auto message = out.initWantHistory();
  message.setSpace(text_of(body.space));
  std::string bytes;
  Writer missing(bytes);
  for (const MissingWrites& writes : body.missing) {
    missing.replica(writes.writer);
    missing.varint(writes.first);
    missing.varint(writes.last);
  }
  message.setMissing(data_of(bytes));
}

void write(const History& body, wire::Envelope::Body::Builder out) {
  auto message = out.initHistory();
  message.setSpace(text_of(body.space));
  write_events(body.events, message);
}

void write(const Ack& body, wire::Envelope::Body::Builder out) {
  auto ack = out.initAck();
  ack.setSpace(text_of(body.space));
  ack.setDurable(data_of(body.durable.encoded()));
  std::string enough;
  for (const ReplicaId& writer : body.enough) {
    enough.append(reinterpret_cast<const char*>(writer.bytes.data()), writer.bytes.size());
  }
  ack.setEnough(data_of(enough));
}

void write(const Chunk& body, wire::Envelope::Body::Builder out) {
  auto chunk = out.initChunk();
  chunk.setSpace(text_of(body.space));
  chunk.setTransfer(body.transfer);
  chunk.setTotalBytes(body.total_bytes);
  chunk.setOffset(body.offset);
  chunk.setBytes(data_of(body.bytes));
}

void write(const ChunkAck& body, wire::Envelope::Body::Builder out) {
  auto ack = out.initChunkAck();
  ack.setSpace(text_of(body.space));
  ack.setTransfer(body.transfer);
  ack.setReceived(body.received);
}

void write(const Sketch& body, wire::Envelope::Body::Builder out) {
  auto sketch = out.initSketch();
  sketch.setSpace(text_of(body.space));
  sketch.setComparison(body.comparison);
  sketch.setClock(data_of(body.clock.encoded()));
  sketch.setCells(body.cells);
  sketch.setFrom(body.from);
  sketch.setSymbols(data_of(body.bytes));
  sketch.setRetiredLow(body.retired.low);
  sketch.setRetiredHigh(body.retired.high);
}

void write(const SketchAnswer& body, wire::Envelope::Body::Builder out) {
  auto answer = out.initSketchAnswer();
  answer.setSpace(text_of(body.space));
  answer.setComparison(body.comparison);
  answer.setHave(body.have);
  answer.setDone(body.done);
  std::string wanted;
  Writer hashes(wanted);
  for (const std::uint64_t hash : body.wanted) hashes.fixed64(hash);
  answer.setWanted(data_of(wanted));
}

void write(const Neighbour& body, wire::Envelope::Body::Builder out) {
  auto neighbour = out.initNeighbour();
  neighbour.setStep(static_cast<std::uint8_t>(body.step));
  neighbour.setUrgent(body.urgent);
  neighbour.setLeaf(body.leaf);
  if (!body.endpoint.empty()) neighbour.setEndpoint(text_of(body.endpoint));
  if (body.others.empty()) return;
  auto others = neighbour.initOthers(static_cast<capnp::uint>(body.others.size()));
  capnp::uint at = 0;
  for (const Neighbour::Contact& from : body.others) {
    auto contact = others[at++];
    contact.setName(text_of(from.name));
    contact.setEndpoint(text_of(from.endpoint));
  }
}

void write(const Rumours& body, wire::Envelope::Body::Builder out) {
  auto rumours = out.initRumours().initRumours(static_cast<capnp::uint>(body.rumours.size()));
  capnp::uint at = 0;
  for (const Rumour& from : body.rumours) {
    auto rumour = rumours[at++];
    rumour.setMember(text_of(from.member));
    rumour.setNumber(from.number);
    rumour.setLife(static_cast<std::uint8_t>(from.life));
  }
}

// The numbers of error codes are part of the protocol.
static_assert(static_cast<int>(ErrorCode::invalid_argument) == 0);
static_assert(static_cast<int>(ErrorCode::malformed) == 5);
static_assert(static_cast<int>(ErrorCode::unsupported_version) == 6);
constexpr ErrorCode last_code = ErrorCode::busy;
static_assert(static_cast<int>(last_code) == 13);

void write(const Reject& body, wire::Envelope::Body::Builder out) {
  auto reject = out.initReject();
  reject.setCode(static_cast<std::uint16_t>(body.code));
  reject.setReason(text_of(body.reason));
}

// Reasons are often put together from what others sent: cut to size, what is not ASCII text
// replaced.
std::string plain_text(std::string_view text) {
  std::string plain(text.substr(0, reject_reason_bytes_max));
  for (char& c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F) c = '?';
  }
  return plain;
}

constexpr std::size_t checksum_bytes = 8;

// Most messages are short: they are put together on the stack, and allocate their bytes alone.
constexpr std::size_t scratch_words = 256;

std::string packed(capnp::MessageBuilder& builder, std::size_t words) {
  // Packing costs at most a tag byte and a count byte a word, and a margin for the writer's buffer.
  const auto bytes_max = [](std::size_t count) { return count * 10 + 64; };
  kj::byte scratch[bytes_max(scratch_words)];
  kj::Array<kj::byte> heap;
  kj::ArrayPtr<kj::byte> room(scratch, sizeof scratch);
  if (words > scratch_words) room = heap = kj::heapArray<kj::byte>(bytes_max(words));
  kj::ArrayOutputStream out(room);
  capnp::writePackedMessage(out, builder);
  const auto contents = out.getArray();
  std::string bytes;
  bytes.reserve(contents.size() + checksum_bytes);
  bytes.append(reinterpret_cast<const char*>(contents.begin()), contents.size());
  return bytes;
}

std::string flat(kj::ArrayPtr<const capnp::word> segment) {
  const auto words = static_cast<std::uint32_t>(segment.size());
  const unsigned char header[8] = {0,
                                   0,
                                   0,
                                   0,
                                   static_cast<unsigned char>(words),
                                   static_cast<unsigned char>(words >> 8),
                                   static_cast<unsigned char>(words >> 16),
                                   static_cast<unsigned char>(words >> 24)};
  const auto contents = segment.asBytes();
  std::string bytes;
  bytes.reserve(sizeof header + contents.size() + checksum_bytes);
  bytes.append(reinterpret_cast<const char*>(header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(contents.begin()), contents.size());
  return bytes;
}

// ---- Checksum ----

std::string checksum_of(std::string_view frame) {
  std::string bytes;
  Writer(bytes).fixed64(hash_bytes(frame).low);
  return bytes;
}

void append_checksum(std::string& frame) { frame += checksum_of(frame); }

// ---- Decoding ----

Error malformed(std::string what) { return make_error(ErrorCode::malformed, std::move(what)); }

std::string string_of(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

std::string string_of(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

Result<Clock> clock_of(capnp::Data::Reader data) {
  auto clock =
      Clock::decode(std::string_view(reinterpret_cast<const char*>(data.begin()), data.size()));
  if (!clock) return malformed("holds a bad clock: " + clock.error().to_string());
  return clock;
}

Result<Body> read(wire::Hello::Reader in) {
  return Body(Hello{.challenge = in.getChallenge(), .answer = in.getAnswer()});
}

Result<Body> read(wire::Summary::Reader in) {
  return Body(Summary{.of_all = {.low = in.getOfAllLow(), .high = in.getOfAllHigh()},
                      .spaces = in.getSpaces(),
                      .view = in.getView(),
                      .life = in.getLife()});
}

Result<Body> read(wire::Digests::Reader in) {
  const auto list = in.getDigests();
  if (list.size() > digests_max) return malformed("holds too many digests");
  Digests digests{.digests = {}, .view = in.getView()};
  digests.digests.reserve(list.size());
  for (const auto& digest : list) {
    digests.digests.push_back(
        SpaceDigest{.space = string_of(digest.getSpace()),
                    .clock = {.low = digest.getClockLow(), .high = digest.getClockHigh()},
                    .state = {.low = digest.getStateLow(), .high = digest.getStateHigh()}});
  }
  return Body(std::move(digests));
}

Result<Body> read(wire::ClockReport::Reader in) {
  auto applied = clock_of(in.getApplied());
  if (!applied) return std::move(applied).error();
  auto durable = clock_of(in.getDurable());
  if (!durable) return std::move(durable).error();
  ReplicaId writer;
  const auto id = in.getWriter();
  if (id.size() != 0 && id.size() != writer.bytes.size()) {
    return malformed("names no replica id");
  }
  std::copy(id.begin(), id.end(), writer.bytes.begin());
  return Body(ClockReport{.space = string_of(in.getSpace()),
                          .applied = *std::move(applied),
                          .durable = *std::move(durable),
                          .state = {.low = in.getStateLow(), .high = in.getStateHigh()},
                          .want_reply = in.getWantReply(),
                          .gap = in.getGap(),
                          .view = in.getView(),
                          .retired = {.low = in.getRetiredLow(), .high = in.getRetiredHigh()},
                          .puzzled = in.getPuzzled(),
                          .writer = writer});
}

Result<std::vector<EventPtr>> read_events(capnp::List<capnp::Data>::Reader list) {
  if (list.size() > events_max) return malformed("holds too many events");
  std::vector<EventPtr> events;
  events.reserve(list.size());
  for (const auto& bytes : list) {
    auto event = Event::decode(string_of(bytes));
    if (!event) {
      return malformed("event " + std::to_string(events.size()) +
                       " of it: " + event.error().to_string());
    }
    events.push_back(*std::move(event));
  }
  return events;
}

Result<Body> read(wire::Events::Reader in) {
  auto events = read_events(in.getEvents());
  if (!events) return std::move(events).error();
  return Body(Events{.space = string_of(in.getSpace()), .events = *std::move(events)});
}

Result<Body> read(wire::WantHistory::Reader in) {
  const auto bytes = in.getMissing();
  Reader missing(std::string_view(reinterpret_cast<const char*>(bytes.begin()), bytes.size()));
  WantHistory want{.space = string_of(in.getSpace()), .missing = {}};
  while (missing.ok() && !missing.at_end()) {
    if (want.missing.size() == missing_writes_max) {
      return malformed("wants the history of too many writers");
    }
    const ReplicaId writer = missing.replica();
    const Sequence first = missing.varint_at_most(limits::sequence_max);
    const Sequence last = missing.varint_at_most(limits::sequence_max);
    want.missing.push_back({writer, first, last});
  }
  if (!missing.ok()) return malformed("wants history that does not parse");
  return Body(std::move(want));
}

Result<Body> read(wire::History::Reader in) {
  auto events = read_events(in.getEvents());
  if (!events) return std::move(events).error();
  return Body(History{.space = string_of(in.getSpace()), .events = *std::move(events)});
}

Result<Body> read(wire::Ack::Reader in) {
  auto durable = clock_of(in.getDurable());
  if (!durable) return std::move(durable).error();
  const auto enough = in.getEnough();
  constexpr std::size_t id_bytes = sizeof(ReplicaId);
  if (enough.size() % id_bytes != 0 || enough.size() / id_bytes > writers_enough_max) {
    return malformed("has enough of writers that are too many or cut off");
  }
  Ack ack{.space = string_of(in.getSpace()), .durable = *std::move(durable), .enough = {}};
  ack.enough.resize(enough.size() / id_bytes);
  for (std::size_t i = 0; i < ack.enough.size(); ++i) {
    std::memcpy(&ack.enough[i], enough.begin() + i * id_bytes, id_bytes);
  }
  return Body(std::move(ack));
}

Result<Body> read(wire::Chunk::Reader in) {
  const auto bytes = in.getBytes();
  if (bytes.size() > chunk_bytes_max) return malformed("holds a chunk that is too long");
  return Body(Chunk{.space = string_of(in.getSpace()),
                    .transfer = in.getTransfer(),
                    .total_bytes = in.getTotalBytes(),
                    .offset = in.getOffset(),
                    .bytes = string_of(bytes)});
}

Result<Body> read(wire::ChunkAck::Reader in) {
  return Body(ChunkAck{.space = string_of(in.getSpace()),
                       .transfer = in.getTransfer(),
                       .received = in.getReceived()});
}

Result<Body> read(wire::Sketch::Reader in) {
  auto clock = clock_of(in.getClock());
  if (!clock) return std::move(clock).error();
  return Body(Sketch{.space = string_of(in.getSpace()),
                     .comparison = in.getComparison(),
                     .clock = *std::move(clock),
                     .cells = in.getCells(),
                     .from = in.getFrom(),
                     .bytes = string_of(in.getSymbols()),
                     .retired = {.low = in.getRetiredLow(), .high = in.getRetiredHigh()}});
}

Result<Body> read(wire::SketchAnswer::Reader in) {
  const auto wanted = in.getWanted();
  if (wanted.size() % 8 != 0 || wanted.size() / 8 > wanted_cells_max) {
    return malformed("wants cells by hashes that are too many or cut off");
  }
  SketchAnswer answer{.space = string_of(in.getSpace()),
                      .comparison = in.getComparison(),
                      .have = in.getHave(),
                      .done = in.getDone(),
                      .wanted = {}};
  Reader hashes(std::string_view(reinterpret_cast<const char*>(wanted.begin()), wanted.size()));
  while (!hashes.at_end()) answer.wanted.push_back(hashes.fixed64());
  return Body(std::move(answer));
}

Result<Body> read(wire::Neighbour::Reader in) {
  if (in.getStep() > static_cast<std::uint8_t>(Neighbour::Step::part)) {
    return malformed("wants an unknown step of neighbours, " + std::to_string(in.getStep()));
  }
  Neighbour neighbour{.step = static_cast<Neighbour::Step>(in.getStep()),
                      .urgent = in.getUrgent(),
                      .leaf = in.getLeaf(),
                      .endpoint = string_of(in.getEndpoint())};
  const auto others = in.getOthers();
  if (others.size() > contacts_max) return malformed("names too many others");
  for (const auto& contact : others) {
    neighbour.others.push_back({string_of(contact.getName()), string_of(contact.getEndpoint())});
  }
  return Body(std::move(neighbour));
}

Result<Body> read(wire::Rumours::Reader in) {
  const auto list = in.getRumours();
  if (list.size() > rumours_max) return malformed("holds too many rumours");
  Rumours rumours;
  rumours.rumours.reserve(list.size());
  for (const auto& rumour : list) {
    if (rumour.getLife() > static_cast<std::uint8_t>(Life::dead)) {
      return malformed("tells of an unknown state of life, " + std::to_string(rumour.getLife()));
    }
    rumours.rumours.push_back(Rumour{.member = string_of(rumour.getMember()),
                                     .number = rumour.getNumber(),
                                     .life = static_cast<Life>(rumour.getLife())});
  }
  return Body(std::move(rumours));
}

Result<Body> read(wire::Reject::Reader in) {
  if (in.getCode() > static_cast<std::uint16_t>(last_code)) {
    return malformed("rejects with the unknown code " + std::to_string(in.getCode()));
  }
  return Body(
      Reject{.code = static_cast<ErrorCode>(in.getCode()), .reason = string_of(in.getReason())});
}

Result<Body> read(wire::Envelope::Body::Reader in) {
  switch (in.which()) {
    case wire::Envelope::Body::HELLO:
      return read(in.getHello());
    case wire::Envelope::Body::SUMMARY:
      return read(in.getSummary());
    case wire::Envelope::Body::DIGESTS:
      return read(in.getDigests());
    case wire::Envelope::Body::CLOCK_REPORT:
      return read(in.getClockReport());
    case wire::Envelope::Body::EVENTS:
      return read(in.getEvents());
    case wire::Envelope::Body::ACK:
      return read(in.getAck());
    case wire::Envelope::Body::CHUNK:
      return read(in.getChunk());
    case wire::Envelope::Body::CHUNK_ACK:
      return read(in.getChunkAck());
    case wire::Envelope::Body::REJECT:
      return read(in.getReject());
    case wire::Envelope::Body::SKETCH:
      return read(in.getSketch());
    case wire::Envelope::Body::SKETCH_ANSWER:
      return read(in.getSketchAnswer());
    case wire::Envelope::Body::NEIGHBOUR:
      return read(in.getNeighbour());
    case wire::Envelope::Body::RUMOURS:
      return read(in.getRumours());
    case wire::Envelope::Body::WANT_HISTORY:
      return read(in.getWantHistory());
    case wire::Envelope::Body::HISTORY:
      return read(in.getHistory());
  }
  return malformed("holds a body of unknown kind " +
                   std::to_string(static_cast<unsigned>(in.which())));
}

Result<Message> read(capnp::MessageReader& in) {
  const auto envelope = in.getRoot<wire::Envelope>();
  const std::uint16_t version = envelope.getProtocolVersion();
  if (version == 0) return malformed("states no protocol version");
  if (REJOIN_MUTANT(other_version_is_understood, version != protocol_version, false)) {
    return make_error(ErrorCode::unsupported_version,
                      "the message is of protocol version " + std::to_string(version) +
                          " and this node speaks version " + std::to_string(protocol_version) +
                          "; run the same release on both nodes");
  }
  auto body = read(envelope.getBody());
  if (!body) return std::move(body).error();
  Message message{.cluster = string_of(envelope.getCluster()),
                  .sender = string_of(envelope.getSender()),
                  .incarnation = envelope.getIncarnation(),
                  .receiver = envelope.getReceiver(),
                  .body = *std::move(body)};
  if (const char* rule = broken_rule(message)) return malformed(rule);
  return message;
}

// Both forms begin with the number of segments less one, in four bytes: as they are in a flat
// message, and in a packed one as the lower half of the first word's tag, a bit for each byte that
// is not zero. Besides keeping to the format, this keeps capnp's reader from having segments left
// to skip in its destructor, which would throw at what is cut short.
bool is_of_one_segment(std::string_view bytes) {
  if (bytes[0] != 0) return (static_cast<unsigned char>(bytes[0]) & 0x0F) == 0;
  return bytes.size() >= 4 && bytes.substr(0, 4) == std::string_view("\0\0\0\0", 4);
}

Result<Message> read_packed(std::string_view bytes) {
  kj::ArrayInputStream in(
      kj::arrayPtr(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()));
  // The limit on traversal is also one on what the message unpacks to, checked before it is.
  const capnp::ReaderOptions options{.traversalLimitInWords = packed_words_max,
                                     .nestingLimit = nesting_max};
  capnp::word scratch[256];
  capnp::PackedMessageReader reader(in, options, kj::arrayPtr(scratch, std::size(scratch)));
  auto message = read(reader);
  if (message.ok() && in.tryGetReadBuffer().size() != 0) {
    return malformed("is followed by other bytes");
  }
  return message;
}

Result<Message> read_flat(std::string_view bytes) {
  if (bytes.size() % sizeof(capnp::word) != 0) return malformed("is not of whole words");
  std::vector<std::uint64_t> copy;
  const auto* words = reinterpret_cast<const capnp::word*>(bytes.data());
  const std::size_t count = bytes.size() / sizeof(capnp::word);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::uint64_t) != 0) {
    copy.resize(count);
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    words = reinterpret_cast<const capnp::word*>(copy.data());
  }
  // We read each part once: more than the message has is an overlap, made to cost us.
  const capnp::ReaderOptions options{.traversalLimitInWords = count, .nestingLimit = nesting_max};
  capnp::FlatArrayMessageReader reader(kj::arrayPtr(words, count), options);
  auto message = read(reader);
  if (message.ok() && reader.getEnd() != words + count) {
    return malformed("is followed by other bytes");
  }
  return message;
}

}  // namespace

std::string encode(const Message& message, std::uint16_t version) {
  const auto* reject = std::get_if<Reject>(&message.body);
  if (reject && plain_text(reject->reason) != reject->reason) {
    Message plain = message;
    std::get<Reject>(plain.body).reason = plain_text(reject->reason);
    return encode(plain, version);
  }
  REJOIN_ASSERT(broken_rule(message) == nullptr);

  const std::size_t bound = words_max(message);
  std::uint64_t scratch[scratch_words];
  std::vector<std::uint64_t> heap(bound > scratch_words ? bound : 0);
  if (heap.empty()) std::memset(scratch, 0, bound * sizeof(capnp::word));  // as capnp asks for
  capnp::MallocMessageBuilder builder(
      kj::arrayPtr(reinterpret_cast<capnp::word*>(heap.empty() ? scratch : heap.data()), bound),
      capnp::AllocationStrategy::FIXED_SIZE);
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(version);
  envelope.setIncarnation(message.incarnation);
  envelope.setReceiver(message.receiver);
  envelope.setCluster(text_of(message.cluster));
  envelope.setSender(text_of(message.sender));
  std::visit([&](const auto& body) { write(body, envelope.getBody()); }, message.body);

  const auto segments = builder.getSegmentsForOutput();
  REJOIN_ASSERT(segments.size() == 1);
  const std::size_t words = segments[0].size();
  std::string bytes =
      words + 1 <= packed_words_max ? packed(builder, words + 1) : flat(segments[0]);
  append_checksum(bytes);
  REJOIN_ASSERT(bytes.size() <= message_bytes_max);
  return bytes;
}

Result<Message> decode(std::string_view bytes) {
  if (bytes.size() > checksum_bytes && bytes.size() <= message_bytes_max) {
    const std::string_view frame = bytes.substr(0, bytes.size() - checksum_bytes);
    if (bytes.substr(frame.size()) != checksum_of(frame)) {
      return malformed("a message of " + std::to_string(bytes.size()) +
                       " bytes has a wrong checksum: it was damaged on the way");
    }
    bytes = frame;
  }
  return decode_frame(bytes);
}

Result<Message> decode_frame(std::string_view bytes) {
  const auto error_with_size = [&](Error error) {
    if (error.code == ErrorCode::malformed) {
      error.message = "a message of " + std::to_string(bytes.size()) + " bytes " + error.message;
    }
    return error;
  };
  if (bytes.empty()) return malformed("a message is empty");
  if (bytes.size() > message_bytes_max) {
    return error_with_size(malformed("is longer than " + std::to_string(message_bytes_max)));
  }
  try {
    if (!is_of_one_segment(bytes)) return error_with_size(malformed("has more than one segment"));
    auto message = bytes[0] == 0 ? read_flat(bytes) : read_packed(bytes);
    if (!message) return error_with_size(std::move(message).error());
    return message;
  } catch (const kj::Exception& e) {
    return error_with_size(malformed(std::string("does not parse: ") + e.getDescription().cStr()));
  } catch (const std::exception& e) {
    return error_with_size(malformed(std::string("cannot be taken in: ") + e.what()));
  }
}

}  // namespace rejoin::transport
