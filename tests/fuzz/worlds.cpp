#include "worlds.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/codec.h"
#include "rejoin/crdt/json.h"
#include "store/packing.h"

namespace rejoin::fuzz {
namespace {

constexpr std::size_t events_wanted = 30;
constexpr int actions_at_once = 40;
const ReplicaId reader_id = ReplicaId::from_words(~0ull, 1);
const ReplicaId copy_id = ReplicaId::from_words(~0ull, 2);

// Outside of properties RapidCheck would print whatever histories log.
class Silence : public rc::detail::PropertyContext {
 public:
  bool reportResult(const rc::detail::CaseResult&) override { return false; }
  std::ostream& logStream() override { return nowhere_; }
  void addTag(std::string) override {}

 private:
  std::ostream nowhere_{nullptr};
};

// The checks of histories throw; here the process ends where one does not hold.
template <class Function>
auto or_abort(Function function) {
  Silence silence;
  const rc::detail::ImplicitParam<rc::detail::param::CurrentPropertyContext> quiet(&silence);
  try {
    return function();
  } catch (const rc::detail::CaseResult& failure) {
    std::fprintf(stderr, "%s\n", failure.description.c_str());
    std::abort();
  }
}

std::unique_ptr<World> make_world(std::size_t index) {
  const auto& types = history_types();
  const auto actions = index < types.size() ? any_actions(writes_of(types[index])) : any_actions();
  auto made = std::make_unique<World>(3);
  for (std::uint64_t seed = 1; made->events().size() < events_wanted; ++seed) {
    made->perform(actions(rc::Random(seed), actions_at_once).value());
  }
  return made;
}

Document through_a_store(Document& document) {
  Document loaded(document.self());
  Status status = loaded.load_header(document.header());
  document.take_dirty([&](const Document::StoredCell& cell) {
    if (status.ok() && !cell.bytes.empty()) status = loaded.load_cell(cell.key, cell.bytes);
  });
  if (status.ok()) status = loaded.finish_load();
  require(status.ok(), status.ok() ? "" : "it does not load: " + status.error().to_string());
  return loaded;
}

Subject& subject(std::size_t index, std::size_t events, ReplicaId self) {
  static std::map<std::tuple<std::size_t, std::size_t, ReplicaId>, Subject> subjects;
  const auto key = std::tuple(index, events, self);
  const auto found = subjects.find(key);
  if (found != subjects.end()) return found->second;
  const auto make = [=] {
    Document document(self);
    for (std::size_t i = 0; i < events; ++i) {
      REJOIN_ASSERT(document.apply(*world(index).events()[i]).ok());
    }
    return document;
  };
  Document document = make();
  Snapshot before = snapshot(document);
  return subjects.try_emplace(key, Subject{std::move(document), std::move(before), make})
      .first->second;
}

}  // namespace

std::size_t world_count() { return history_types().size() + 1; }

World& world(std::size_t index) {
  static std::map<std::size_t, std::unique_ptr<World>> worlds;
  std::unique_ptr<World>& found = worlds[index % world_count()];
  if (!found) found = or_abort([&] { return make_world(index % world_count()); });
  return *found;
}

Subject& reader(std::size_t index, std::size_t events) {
  index %= world_count();
  return subject(index, events % (world(index).events().size() + 1), reader_id);
}

Subject& writer(std::size_t index) {
  index %= world_count();
  return subject(index, world(index).events().size(), world(index).peer(0).document.self());
}

void Subject::check(bool taken) {
  if (taken) {
    check_whole(document);
    document = make();
  } else {
    or_abort([&] { require(snapshot(document) == before, "what was refused changed something"); });
  }
}

void check_whole(const Document& document) {
  or_abort([&] {
    const auto require_whole = [](const Document& one) {
      const Status status = one.check_invariants();
      require(status.ok(), status.ok() ? "" : "broken: " + status.error().to_string());
    };
    require_whole(document);
    const auto lines = visible(document);
    for (const auto& [path, line] : lines) {
      require(is_valid_utf8(path) && is_valid_utf8(line), "not UTF-8: " + path);
    }
    require(to_json(document).ok(), "it cannot be exported");
    const Snapshot now = snapshot(document);
    Document copy = copy_of(document, copy_id);
    require_whole(copy);
    require(snapshot(copy) == now && visible(copy) == lines, "a copy by delta differs");
    const Document loaded = through_a_store(copy);
    require_whole(loaded);
    require(snapshot(loaded) == now && visible(loaded) == lines, "what was stored differs");
  });
}

std::vector<Document> texts() {
  std::vector<Document> documents;
  for (const char* letter : {"a", "é", "語", "🦊"}) {
    Document& document = documents.emplace_back(ReplicaId::from_words(1, 1));
    Transaction transaction = document.begin({HybridTime::from_millis(1), "", ""});
    for (int i = 0; i < 64; ++i) REJOIN_ASSERT(transaction.root().text("t").append(letter).ok());
    transaction.commit();
  }
  return documents;
}

std::string unpacked_again(std::string_view packed) {
  const Result<std::string> plain = unpacked(packed, "seed");
  REJOIN_ASSERT(plain.ok());
  return std::string(1, '\0') + *plain;
}

void Subject::check_event(const Event& event) const {
  Document other = make();
  other.become(ReplicaId::from_words(~0ull, 1));
  REJOIN_ASSERT(other.apply(*Event::decode(event.encoded()).value()).ok());
  REJOIN_ASSERT(snapshot(other) == snapshot(document));
}

ReaderInput reader_input(const std::uint8_t* data, std::size_t size) {
  Reader in({reinterpret_cast<const char*>(data), size});
  const std::size_t world = in.u8();
  const std::size_t events = in.u8();
  return {world, events, in.raw(in.remaining())};
}

std::string reader_seed(std::size_t world, std::size_t events, std::string_view bytes) {
  return std::string{static_cast<char>(world), static_cast<char>(events)}.append(bytes);
}

}  // namespace rejoin::fuzz

// libFuzzer calls it first: an input that is the first of its world would seem slow otherwise.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  for (std::size_t w = 0; w < rejoin::fuzz::world_count(); ++w) rejoin::fuzz::world(w);
  return 0;
}
