// Messages that our own encoder does not write, put together below it.
#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <capnp/serialize.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/io.h>

#include <chrono>
#include <cstring>
#include <functional>

#include "messages.h"
#include "rejoin.capnp.h"
#include "rejoin/crdt/codec.h"

namespace rejoin::transport {
namespace {

using testing::HasSubstr;

std::string flat(capnp::MessageBuilder& builder) {
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

std::string packed(capnp::MessageBuilder& builder) {
  kj::VectorOutputStream out;
  capnp::writePackedMessage(out, builder);
  const auto bytes = out.getArray();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// A good message except for what `spoil` does to it.
std::string spoilt(const std::function<void(wire::Envelope::Builder)>& spoil) {
  capnp::MallocMessageBuilder builder;
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(protocol_version);
  envelope.setCluster("rejoin");
  envelope.setSender("frankfurt");
  envelope.getBody().initHello();
  spoil(envelope);
  return packed(builder);
}

// "ok" or the error, which must be `malformed`.
std::string verdict(std::string_view bytes) {
  const auto message = decode_frame(bytes);
  if (message.ok()) return "ok";
  EXPECT_EQ(message.error().code, ErrorCode::malformed) << message.error().to_string();
  return message.error().message;
}

std::string verdict(const std::function<void(wire::Envelope::Builder)>& spoil) {
  return verdict(spoilt(spoil));
}

capnp::Text::Reader text(const std::string& from) { return {from.c_str(), from.size()}; }

capnp::Data::Reader data(const std::string& from) {
  return {reinterpret_cast<const kj::byte*>(from.data()), from.size()};
}

TEST(HostileMessage, the_unspoilt_one_is_good_packed_and_flat) {
  EXPECT_EQ(verdict([](auto) {}), "ok");
  capnp::MallocMessageBuilder builder;
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(protocol_version);
  envelope.setCluster("rejoin");
  envelope.setSender("frankfurt");
  envelope.getBody().initHello();
  EXPECT_EQ(verdict(flat(builder)), "ok");
}

TEST(HostileMessage, fields_mean_what_the_schema_says) {
  const auto message = decode_frame(spoilt([](wire::Envelope::Builder envelope) {
    envelope.setIncarnation(5);
    envelope.setReceiver(6);
    auto digests = envelope.getBody().initDigests().initDigests(1);
    digests[0].setSpace("s");
    digests[0].setClockLow(1);
    digests[0].setClockHigh(2);
    digests[0].setStateLow(3);
    digests[0].setStateHigh(4);
  }));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->incarnation, 5u);
  EXPECT_EQ(message->receiver, 6u);
  const SpaceDigest& digest = std::get<Digests>(message->body).digests.at(0);
  EXPECT_EQ(digest.space, "s");
  EXPECT_EQ(digest.clock, (StateHash{.low = 1, .high = 2}));
  EXPECT_EQ(digest.state, (StateHash{.low = 3, .high = 4}));
}

TEST(HostileMessage, another_version_is_named_whatever_else_it_says) {
  const auto future = decode_frame(spoilt([](wire::Envelope::Builder envelope) {
    envelope.setProtocolVersion(2);
    envelope.setSender("");
  }));
  ASSERT_FALSE(future.ok());
  EXPECT_EQ(future.error().code, ErrorCode::unsupported_version);
  EXPECT_THAT(future.error().message, HasSubstr("version 2 "));
  EXPECT_THAT(future.error().message, HasSubstr("version 1;"));
  EXPECT_THAT(verdict([](auto envelope) { envelope.setProtocolVersion(0); }),
              HasSubstr("no protocol version"));
}

TEST(HostileMessage, names_out_of_bounds_are_malformed) {
  for (const std::string& bad : {std::string(), std::string(name_bytes_max + 1, 'n'),
                                 std::string("a\0b", 3), std::string("\xFF")}) {
    EXPECT_THAT(verdict([&](auto envelope) { envelope.setCluster(text(bad)); }),
                HasSubstr("no valid cluster"));
    EXPECT_THAT(verdict([&](auto envelope) { envelope.setSender(text(bad)); }),
                HasSubstr("no valid sender"));
    EXPECT_THAT(verdict([&](auto envelope) {
                  auto ack = envelope.getBody().initAck();
                  ack.setSpace(text(bad));
                  ack.setDurable(data(Clock().encoded()));
                }),
                HasSubstr("no valid space"));
    EXPECT_THAT(verdict([&](auto envelope) {
                  envelope.getBody().initDigests().initDigests(1)[0].setSpace(text(bad));
                }),
                HasSubstr("space without a valid name"));
  }
}

TEST(HostileMessage, an_unknown_kind_is_malformed) {
  // The kind stands beside the version, in the first word of the envelope.
  std::string bytes = spoilt([](auto) {});
  capnp::MallocMessageBuilder builder;
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(protocol_version);
  bytes = flat(builder);
  bytes[8 + 8 + 2] = 77;  // after the segment table and the root pointer
  EXPECT_THAT(verdict(bytes), HasSubstr("unknown kind 77"));
}

TEST(HostileMessage, bad_clocks_are_malformed) {
  const auto of_ack = [](const std::string& clock) {
    return verdict([&](auto envelope) {
      auto ack = envelope.getBody().initAck();
      ack.setSpace("s");
      ack.setDurable(data(clock));
    });
  };
  EXPECT_EQ(of_ack(Clock().encoded()), "ok");
  EXPECT_THAT(of_ack(""), HasSubstr("bad clock"));
  EXPECT_THAT(of_ack("\xFF\xFF\xFF\xFF\x7F"), HasSubstr("bad clock"));  // 34 billion entries
  EXPECT_THAT(of_ack(Clock().encoded() + "x"), HasSubstr("bad clock"));
  EXPECT_THAT(verdict([](auto envelope) {
                auto report = envelope.getBody().initClockReport();
                report.setSpace("s");
                report.setApplied(data(Clock().encoded()));
                report.setDurable(data("\x01"));
              }),
              HasSubstr("bad clock"));
}

TEST(HostileMessage, a_bad_event_spoils_the_message) {
  const std::string good = written_events(1, 5).front()->encoded();
  const auto of_events = [](const std::vector<std::string>& encoded) {
    return verdict([&](auto envelope) {
      auto events = envelope.getBody().initEvents();
      events.setSpace("s");
      auto list = events.initEvents(static_cast<capnp::uint>(encoded.size()));
      for (capnp::uint i = 0; i < encoded.size(); ++i) list.set(i, data(encoded[i]));
    });
  };
  EXPECT_EQ(of_events({good}), "ok");
  EXPECT_THAT(of_events({}), HasSubstr("no events"));
  EXPECT_THAT(of_events({good, ""}), HasSubstr("event 1"));
  EXPECT_THAT(of_events({good.substr(0, good.size() - 1), good}), HasSubstr("event 0"));
  std::string newer = good;
  newer[0] = static_cast<char>(newer[0] + 1);
  EXPECT_THAT(of_events({newer}), HasSubstr("event 0"));
}

TEST(HostileMessage, chunks_must_lie_within_their_transfer) {
  struct Case {
    std::uint64_t total, offset;
    std::size_t bytes;
    const char* expected;
  };
  const std::uint64_t most = limits::delta_bytes_max;
  for (const Case& c : {Case{10, 0, 10, "ok"}, Case{10, 9, 1, "ok"}, Case{most, most - 1, 1, "ok"},
                        Case{10, 0, 0, "empty chunk"}, Case{10, 0, 11, "past the end"},
                        Case{10, 10, 1, "past the end"}, Case{10, ~0ull, 1, "past the end"},
                        Case{0, 0, 1, "past the end"}, Case{most + 1, 0, 1, "too long"},
                        Case{~0ull, ~0ull - 1, 1, "too long"}}) {
    EXPECT_THAT(verdict([&](auto envelope) {
                  auto chunk = envelope.getBody().initChunk();
                  chunk.setSpace("s");
                  chunk.setTotalBytes(c.total);
                  chunk.setOffset(c.offset);
                  chunk.setBytes(data(std::string(c.bytes, 'x')));
                }),
                HasSubstr(c.expected));
  }
  capnp::MallocMessageBuilder builder(1 << 20);
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(protocol_version);
  envelope.setCluster("rejoin");
  envelope.setSender("frankfurt");
  auto chunk = envelope.getBody().initChunk();
  chunk.setSpace("s");
  chunk.setTotalBytes(most);
  chunk.setBytes(data(std::string(chunk_bytes_max + 1, 'x')));
  EXPECT_THAT(verdict(flat(builder)), HasSubstr("chunk that is too long"));
  EXPECT_THAT(verdict([&](auto spoil) {
                auto ack = spoil.getBody().initChunkAck();
                ack.setSpace("s");
                ack.setReceived(most + 1);
              }),
              HasSubstr("more than a transfer"));
}

TEST(HostileMessage, rejects_are_plain_and_have_a_known_code) {
  const auto of_reject = [](std::uint16_t code, const std::string& reason) {
    return verdict([&](auto envelope) {
      auto reject = envelope.getBody().initReject();
      reject.setCode(code);
      reject.setReason(text(reason));
    });
  };
  EXPECT_EQ(of_reject(6, "why"), "ok");
  EXPECT_EQ(of_reject(13, ""), "ok");
  EXPECT_THAT(of_reject(14, "why"), HasSubstr("unknown code 14"));
  EXPECT_THAT(of_reject(0, "a\nb"), HasSubstr("not plain text"));
  EXPECT_THAT(of_reject(0, std::string(reject_reason_bytes_max + 1, 'r')), HasSubstr("too long"));
}

// ---- Structure ----

// A flat message of one segment from its words.
std::string of_words(const std::vector<std::uint64_t>& words) {
  std::string bytes(8 + 8 * words.size(), '\0');
  const auto count = static_cast<std::uint32_t>(words.size());
  std::memcpy(bytes.data() + 4, &count, sizeof count);
  std::memcpy(bytes.data() + 8, words.data(), 8 * words.size());
  return bytes;
}

// Pointers as in the encoding's description: offsets in words from the end of the pointer.
std::uint64_t struct_pointer(std::int32_t offset, std::uint16_t data_words,
                             std::uint16_t pointers) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(offset)) << 2 & 0xFFFFFFFF) |
         static_cast<std::uint64_t>(data_words) << 32 | static_cast<std::uint64_t>(pointers) << 48;
}
std::uint64_t list_pointer(std::int32_t offset, unsigned element_size, std::uint32_t count) {
  return 1 | (static_cast<std::uint64_t>(static_cast<std::uint32_t>(offset)) << 2 & 0xFFFFFFFF) |
         static_cast<std::uint64_t>(element_size) << 32 | static_cast<std::uint64_t>(count) << 35;
}
constexpr unsigned void_elements = 0, byte_elements = 2, pointer_elements = 6, structs = 7;

std::uint64_t eight_bytes(const char (&letters)[9]) {
  std::uint64_t word;
  std::memcpy(&word, letters, 8);
  return word;
}

// An envelope of kind `kind` whose body pointer and what follows it are given. The body's pointer
// is word 5; cluster and sender are "abcdefg".
std::vector<std::uint64_t> envelope_words(std::uint16_t kind, std::uint64_t body_pointer,
                                          const std::vector<std::uint64_t>& rest) {
  std::vector<std::uint64_t> words = {
      struct_pointer(0, 2, 3),
      protocol_version | static_cast<std::uint64_t>(kind) << 16,
      0,  // incarnation
      list_pointer(2, byte_elements, 8),
      list_pointer(2, byte_elements, 8),
      body_pointer,
      eight_bytes("abcdefg\0"),
      eight_bytes("hijklmn\0"),
  };
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}
constexpr std::uint16_t hello_kind = 0, digests_kind = 2, events_kind = 4;

TEST(HostileMessage, words_laid_by_hand_are_understood) {
  // A Hello of one data word, after the texts.
  EXPECT_EQ(verdict(of_words(envelope_words(hello_kind, struct_pointer(2, 1, 0), {1}))), "ok");
}

TEST(HostileMessage, lists_that_claim_more_than_there_is_are_malformed) {
  for (const std::uint32_t count : {2u, 1000u, (1u << 29) - 1}) {
    for (const unsigned elements : {pointer_elements, structs}) {
      const auto words =
          envelope_words(digests_kind, struct_pointer(2, 0, 1), {list_pointer(0, elements, count)});
      EXPECT_NE(verdict(of_words(words)), "ok");
    }
  }
  // Half a billion structs of no size, in one word.
  const std::uint64_t tag = struct_pointer((1 << 29) - 1, 0, 0);
  EXPECT_NE(verdict(of_words(envelope_words(digests_kind, struct_pointer(2, 0, 1),
                                            {list_pointer(0, structs, 0), tag}))),
            "ok");
  EXPECT_NE(verdict(of_words(envelope_words(digests_kind, struct_pointer(2, 0, 1),
                                            {list_pointer(0, void_elements, (1u << 29) - 1)}))),
            "ok");
}

TEST(HostileMessage, many_pointers_to_one_thing_cost_no_more_than_the_message_holds) {
  // 60,000 events, all of them the same 64 KiB: four gigabytes if each was taken at its word.
  constexpr std::uint32_t count = 60'000;
  const std::string event = written_events(1, 64 << 10).front()->encoded();
  std::vector<std::uint64_t> rest = {list_pointer(1, byte_elements, 8),  // space
                                     list_pointer(1, pointer_elements, count),
                                     eight_bytes("opqrstu\0")};
  for (std::uint32_t i = 0; i < count; ++i) {
    rest.push_back(list_pointer(static_cast<std::int32_t>(count - i - 1), byte_elements,
                                static_cast<std::uint32_t>(event.size())));
  }
  const std::size_t event_at = rest.size();
  rest.resize(event_at + (event.size() + 7) / 8);
  std::memcpy(rest.data() + event_at, event.data(), event.size());
  EXPECT_THAT(verdict(of_words(envelope_words(events_kind, struct_pointer(2, 0, 2), rest))),
              HasSubstr("does not parse"));
}

TEST(HostileMessage, pointers_out_of_the_message_or_in_a_circle_are_malformed) {
  for (const std::int32_t offset : {1000, -1000, (1 << 29) - 1, -(1 << 29)}) {
    EXPECT_NE(verdict(of_words(envelope_words(hello_kind, struct_pointer(offset, 1, 0), {0}))),
              "ok");
  }
  // A far pointer, a capability, and a digest list that holds itself.
  EXPECT_NE(verdict(of_words(envelope_words(hello_kind, 2, {0}))), "ok");
  EXPECT_NE(verdict(of_words(envelope_words(hello_kind, 3, {0}))), "ok");
  EXPECT_NE(verdict(of_words(envelope_words(digests_kind, struct_pointer(2, 0, 1),
                                            {list_pointer(-1, pointer_elements, 1)}))),
            "ok");
}

TEST(HostileMessage, an_event_of_many_dependencies_costs_no_more_than_sorting_them) {
  // A good event, but with a table of replica ids and a dependency on each, in descending order.
  constexpr std::uint64_t count = 200'000;
  const std::string good = written_events(1, 1).front()->encoded();
  Reader in(good);
  std::string event;
  Writer out(event);
  out.u8(in.u8());  // format
  out.replica(in.replica());
  for (int i = 0; i < 3; ++i) out.varint(in.varint());   // first, count, time
  for (int i = 0; i < 2; ++i) out.bytes(in.bytes(100));  // author, note
  ASSERT_EQ(in.varint(), 0u);                            // replica ids
  ASSERT_EQ(in.varint(), 0u);                            // dependencies
  out.varint(count);
  for (std::uint64_t i = count; i > 0; --i) out.replica(ReplicaId::from_words(i, i));
  out.varint(count);
  for (std::uint64_t i = 1; i <= count; ++i) {
    out.varint(i);
    out.varint(1);
  }
  out.raw(in.raw(in.remaining()));  // effects
  const auto begin = std::chrono::steady_clock::now();
  const auto decoded = Event::decode(event);
  // Inserting each at its place takes a minute.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
  EXPECT_EQ((*decoded)->dependencies().size(), count);
}

TEST(HostileMessage, more_than_one_segment_is_malformed) {
  capnp::MallocMessageBuilder builder(8, capnp::AllocationStrategy::FIXED_SIZE);
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(protocol_version);
  envelope.setCluster("rejoin");
  envelope.setSender("frankfurt");
  envelope.getBody().initHello();
  ASSERT_GT(builder.getSegmentsForOutput().size(), 1u);
  EXPECT_THAT(verdict(packed(builder)), HasSubstr("more than one segment"));
  EXPECT_NE(verdict(flat(builder)), "ok");  // looks packed: its first byte is not zero
}

TEST(HostileMessage, segments_announced_and_missing_are_malformed_in_either_form) {
  capnp::MallocMessageBuilder builder;
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setProtocolVersion(protocol_version + 1);  // to be returned early from
  const std::string good = flat(builder);
  ASSERT_EQ(decode_frame(good).error().code, ErrorCode::unsupported_version);
  for (const int more : {1, 5, 255}) {
    std::string bytes = good;
    bytes[1] = static_cast<char>(more);  // 256 segments and more, of which the others are missing
    EXPECT_NE(verdict(bytes), "ok");
  }
  // Packed: six segments, the first of one word, the others empty or missing.
  EXPECT_THAT(verdict(std::string("\x11\x05\x01\x00\x00\x05\xCD\x00\x01\x01\x08\x79", 12)),
              HasSubstr("more than one segment"));
}

TEST(HostileMessage, a_packed_message_that_would_unpack_to_much_is_refused_before_it_is) {
  // Header: one segment of 2^28 words; then runs of 256 zero words in two bytes each.
  std::string bytes("\x80\x10", 2);
  for (int i = 0; i < 1 << 20; ++i) bytes.append("\0\xFF", 2);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(verdict(bytes), HasSubstr("does not parse"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(HostileMessage, empty_and_tiny_inputs_are_malformed) {
  EXPECT_THAT(verdict(std::string_view()), HasSubstr("empty"));
  for (std::size_t length = 1; length <= 64; ++length) {
    EXPECT_NE(verdict(std::string(length, '\0')), "ok");
    EXPECT_NE(verdict(std::string(length, '\xFF')), "ok");
  }
}

}  // namespace
}  // namespace rejoin::transport
