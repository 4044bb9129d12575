// Messages for tests: as text, and as RapidCheck generators.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <vector>

#include "../crdt/generators.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/limits.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/transport/message.h"

namespace rejoin::transport {

// Every field of a message: equal texts, equal messages.
inline std::string to_text(const Message& message) {
  const auto list = [](const auto& items, const auto& each) {
    std::string text = "[";
    for (const auto& item : items) text += each(item) + ", ";
    return text + "]";
  };
  struct {
    decltype(list)& items;
    std::string operator()(const Hello& b) {
      return "challenge " + std::to_string(b.challenge) + ", answer " + std::to_string(b.answer);
    }
    std::string operator()(const Summary& b) {
      return b.of_all.to_string() + " of " + std::to_string(b.spaces) + ", view " +
             std::to_string(b.view) + ", life " + std::to_string(b.life);
    }
    std::string operator()(const Digests& b) {
      return items(b.digests,
                   [](const SpaceDigest& d) {
                     return d.space + " at " + d.clock.to_string() + " is " + d.state.to_string();
                   }) +
             ", view " + std::to_string(b.view);
    }
    std::string operator()(const ClockReport& b) {
      return b.space + ": " + b.applied.to_string() + ", durable " + b.durable.to_string() +
             ", is " + b.state.to_string() + (b.want_reply ? ", want reply" : "") +
             (b.gap ? ", gap" : "") + ", view " + std::to_string(b.view) + ", leaves out " +
             b.retired.to_string() + (b.puzzled ? ", puzzled" : "") + ", writes as " +
             b.writer.to_string();
    }
    std::string operator()(const Events& b) {
      return b.space + ": " + items(b.events, [](const EventPtr& e) { return e->encoded(); });
    }
    std::string operator()(const Ack& b) {
      return b.space + ": " + b.durable.to_string() + ", enough of " +
             items(b.enough, [](const ReplicaId& writer) { return writer.to_string(); });
    }
    std::string operator()(const Chunk& b) {
      return b.space + ": " + std::to_string(b.transfer) + " of " + std::to_string(b.total_bytes) +
             " at " + std::to_string(b.offset) + ": " + b.bytes;
    }
    std::string operator()(const ChunkAck& b) {
      return b.space + ": " + std::to_string(b.transfer) + " up to " + std::to_string(b.received);
    }
    std::string operator()(const Sketch& b) {
      return b.space + ": " + std::to_string(b.comparison) + " at " + b.clock.to_string() + " of " +
             std::to_string(b.cells) + " leaving out " + b.retired.to_string() + " from " +
             std::to_string(b.from) + ": " + b.bytes;
    }
    std::string operator()(const SketchAnswer& b) {
      return b.space + ": " + std::to_string(b.comparison) + " has " + std::to_string(b.have) +
             (b.done ? " done: " : ": ") +
             items(b.wanted, [](std::uint64_t hash) { return std::to_string(hash); });
    }
    std::string operator()(const Neighbour& b) {
      return std::to_string(static_cast<int>(b.step)) + (b.urgent ? ", urgent" : "") +
             (b.leaf ? ", leaf" : "") + ", at " + b.endpoint +
             items(b.others,
                   [](const Neighbour::Contact& c) { return c.name + " at " + c.endpoint; });
    }
    std::string operator()(const Rumours& b) {
      return items(b.rumours, [](const Rumour& r) {
        return r.member + " at " + std::to_string(r.number) + " is " +
               std::to_string(static_cast<int>(r.life));
      });
    }
    std::string operator()(const WantHistory& b) {
      return b.space + items(b.missing, [](const MissingWrites& w) {
               return w.writer.to_string() + ":" + std::to_string(w.first) + ".." +
                      std::to_string(w.last);
             });
    }
    std::string operator()(const History& b) {
      return b.space + items(b.events, [](const EventPtr& event) { return event->encoded(); });
    }
    std::string operator()(const Reject& b) {
      return std::string(to_string(b.code)) + ": " + b.reason;
    }
  } body{list};
  return "in " + message.cluster + " from " + message.sender + "/" +
         std::to_string(message.incarnation) + " for " + std::to_string(message.receiver) + " " +
         kind_name(message.body) + " " + std::visit(body, message.body);
}

inline void showValue(const Message& message, std::ostream& out) { out << to_text(message); }

// `count` events of one writer, each with a string of `bytes` bytes in it.
inline std::vector<EventPtr> written_events(std::size_t count, std::size_t bytes) {
  Document document(ReplicaId::from_words(0x0123456789ABCDEF, 0xFEDCBA9876543210));
  std::vector<EventPtr> events;
  for (std::size_t i = 0; i < count; ++i) {
    Transaction writes = document.begin(
        {.time = HybridTime::from_millis(1700000000000 + i), .author = "planner", .note = {}});
    const Status written =
        writes.root().map("sessions").reg("s" + std::to_string(i)).set(std::string(bytes, 'x'));
    RC_ASSERT(written.ok());
    events.push_back(writes.commit());
  }
  return events;
}

inline Message message_of(Body body) {
  const bool for_any = std::holds_alternative<Hello>(body) || std::holds_alternative<Reject>(body);
  return Message{.cluster = "rejoin",
                 .sender = "frankfurt",
                 .incarnation = 0x1122334455667788,
                 .receiver = for_any ? 0 : 0x99AABBCCDDEEFF11,
                 .body = std::move(body)};
}

}  // namespace rejoin::transport

namespace rejoin::generators {

inline rc::Gen<std::string> name() {
  return rc::gen::oneOf(
      rc::gen::element<std::string>("a", "frankfurt", "tenant/7:x", "\xC3\xA9\xE2\x82\xAC",
                                    std::string(transport::name_bytes_max, 'n')),
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'z'))));
}

inline rc::Gen<StateHash> state_hash() {
  return rc::gen::construct<StateHash>(rc::gen::arbitrary<std::uint64_t>(),
                                       rc::gen::arbitrary<std::uint64_t>());
}

inline rc::Gen<transport::Body> chunk() {
  return rc::gen::exec([] {
    // Some long enough for the flat frame.
    const auto size = *rc::gen::element<std::size_t>(1, 7, 8, 1000, 65'000, 70'000, 300'000);
    const auto after = *rc::gen::element<std::uint64_t>(0, 1, 1 << 20);
    const auto offset =
        *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 1000),
                        rc::gen::just<std::uint64_t>(limits::delta_bytes_max - size - after));
    return transport::Body(
        transport::Chunk{.space = *name(),
                         .transfer = *rc::gen::arbitrary<std::uint64_t>(),
                         .total_bytes = offset + size + after,
                         .offset = offset,
                         .bytes = std::string(size, *rc::gen::arbitrary<char>())});
  });
}

inline rc::Gen<transport::Body> body() {
  using namespace transport;
  const auto as_body = [](auto gen) { return rc::gen::cast<Body>(gen); };
  const auto boolean = rc::gen::arbitrary<bool>();
  const auto number = rc::gen::arbitrary<std::uint64_t>();
  const auto digest = rc::gen::construct<SpaceDigest>(name(), state_hash(), state_hash());
  const auto events = rc::gen::exec([] {
    return written_events(*rc::gen::inRange<std::size_t>(1, 5),
                          *rc::gen::element<std::size_t>(0, 1, 100, 40'000));
  });
  const auto writer = rc::gen::apply(&ReplicaId::from_words, number, number);
  const auto rumour =
      rc::gen::construct<Rumour>(name(), rc::gen::inRange<std::uint64_t>(0, rumour_number_max),
                                 rc::gen::element(Life::alive, Life::suspected, Life::dead));
  return rc::gen::oneOf(
      as_body(rc::gen::construct<Hello>(number, number)),
      as_body(rc::gen::construct<Summary>(state_hash(), rc::gen::arbitrary<std::uint32_t>(), number,
                                          number)),
      as_body(rc::gen::construct<Digests>(rc::gen::container<std::vector<SpaceDigest>>(digest),
                                          number)),
      as_body(rc::gen::construct<ClockReport>(name(), clock(), clock(), state_hash(), boolean,
                                              boolean, number, state_hash(), boolean, replica())),
      as_body(rc::gen::construct<Events>(name(), events)),
      as_body(rc::gen::construct<Ack>(name(), clock(),
                                      rc::gen::container<std::vector<ReplicaId>>(writer))),
      chunk(),
      as_body(rc::gen::construct<ChunkAck>(
          name(), number, rc::gen::inRange<std::uint64_t>(0, limits::delta_bytes_max + 1))),
      as_body(rc::gen::construct<Sketch>(
          name(), number, clock(), number, rc::gen::arbitrary<std::uint32_t>(),
          rc::gen::nonEmpty(rc::gen::arbitrary<std::string>()), state_hash())),
      as_body(rc::gen::construct<SketchAnswer>(name(), number, rc::gen::arbitrary<std::uint32_t>(),
                                               boolean,
                                               rc::gen::arbitrary<std::vector<std::uint64_t>>())),
      as_body(rc::gen::construct<Neighbour>(
          rc::gen::element(Neighbour::Step::ask, Neighbour::Step::accept, Neighbour::Step::refuse,
                           Neighbour::Step::part),
          boolean, boolean, name(),
          rc::gen::resize(10, rc::gen::container<std::vector<Neighbour::Contact>>(
                                  rc::gen::construct<Neighbour::Contact>(name(), name()))))),
      as_body(rc::gen::construct<Rumours>(rc::gen::container<std::vector<Rumour>>(rumour))),
      as_body(rc::gen::construct<WantHistory>(
          name(), rc::gen::nonEmpty(rc::gen::container<std::vector<MissingWrites>>(
                      rc::gen::construct<MissingWrites>(
                          writer, rc::gen::inRange<Sequence>(1, 1000),
                          rc::gen::inRange<Sequence>(1000, limits::sequence_max)))))),
      as_body(rc::gen::construct<History>(name(), events)),
      as_body(rc::gen::construct<Reject>(
          rc::gen::map(rc::gen::inRange(0, 14), [](int code) { return ErrorCode(code); }),
          rc::gen::container<std::string>(rc::gen::inRange(' ', '~')))));
}

inline rc::Gen<transport::Message> message() {
  const auto number = rc::gen::arbitrary<std::uint64_t>();
  return rc::gen::construct<transport::Message>(name(), name(), number, number, body());
}

}  // namespace rejoin::generators
