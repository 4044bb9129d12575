// An agent's session on two nodes: written on both while they are cut apart, and one again after.
#include "two_regions.h"

using rejoin::agent::Role;
using rejoin::agent::SessionRef;
using rejoin::agent::SessionView;
using rejoin::agent::StepStatus;
using rejoin::agent::Turn;

namespace {

Turn turn(Role role, std::string author, std::string content) {
  Turn made;
  made.role = role;
  made.author = std::move(author);
  made.content = std::move(content);
  return made;
}

void say(rejoin::node::Space& space, const Turn& what, const rejoin::agent::Usage& used = {}) {
  checked(space.transact([&](rejoin::Transaction& transaction) -> rejoin::Status {
    SessionRef session(transaction, "trip-1");
    if (auto ok = session.append(what); !ok) return ok;
    return session.usage().add(used);
  }));
}

void print(const rejoin::node::Space& space) {
  space.read([](const rejoin::Document& document) {
    const SessionView session(document, "trip-1");
    const auto context = session.context();
    std::cout << session.turns().size()
              << " turns, of which the first are summarised: " << context.summary->content << "\n";
    for (const Turn& said : context.turns) {
      std::cout << said.author << ": " << said.content.value_or("(calls a tool)") << "\n";
    }
    for (const auto& step : session.workflow().steps()) {
      std::cout << "step " << step.name << " is " << to_string(step.status) << "\n";
    }
    for (const auto& one : session.attachments().all()) std::cout << "with " << one.name << "\n";
    for (const auto& one : session.participants().present(50'000)) {
      std::cout << one.name << " is here\n";
    }
    const auto used = session.usage().get();
    std::cout << used.calls << " calls, " << used.tokens_in << " tokens in, " << used.tokens_out
              << " out\n";
  });
}

}  // namespace

int main() {
  TwoRegions regions;
  // The user asks in Frankfurt; the agent answers in Virginia, once it sees the question there.
  say(regions.frankfurt, turn(Role::user, "ada", "Book me a seat to Kassel, please."));
  regions.meet();
  say(regions.virginia, turn(Role::assistant, "agent", "Window or aisle?"), {120, 9, 1});
  regions.meet();

  // What was said so far is summarised, but for the last turn. All turns stay.
  const auto map = checked(rejoin::agent::ContentHash::parse("sha256:" + std::string(64, '7')));
  checked(regions.virginia.transact([&](rejoin::Transaction& transaction) -> rejoin::Status {
    SessionRef session(transaction, "trip-1");
    if (auto ok = session.participants().enter("ada", 60'000); !ok) return ok;
    if (auto ok = session.attachments().add({map, "map.png", "image/png", 4'096}); !ok) return ok;
    return session.summarize({.content = "Ada wants a seat to Kassel.", .author = "agent"}, 1);
  }));
  regions.meet();

  // The regions lose each other, and both go on.
  regions.part();
  say(regions.frankfurt, turn(Role::user, "ada", "Window."));
  checked(regions.virginia.transact([](rejoin::Transaction& transaction) -> rejoin::Status {
    SessionRef session(transaction, "trip-1");
    Turn call = turn(Role::assistant, "agent", "I look for trains meanwhile.");
    call.tool_calls = {{"c1", "find_trains", R"({"to": "Kassel"})"}};
    if (auto ok = session.append(call); !ok) return ok;
    if (auto ok = session.workflow().advance("1-search", StepStatus::running); !ok) {
      return ok.error();
    }
    return session.usage().add({150, 20, 1});
  }));

  // They meet again: everything is there, once, in the same order on both.
  regions.meet();
  print(regions.frankfurt);
  std::cout << (regions.agree() ? "both nodes agree" : "the nodes differ") << "\n";
  return regions.agree() ? 0 : 1;
}
