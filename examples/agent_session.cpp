// An agent's session on two nodes: written on both while they are cut apart, and one again after.
#include <rejoin/rejoin.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;
using rejoin::agent::Role;
using rejoin::agent::SessionRef;
using rejoin::agent::SessionView;
using rejoin::agent::StepStatus;
using rejoin::agent::Turn;

namespace {

// Ends the program where something went wrong; a service would look at error().code.
template <class T>
T checked(rejoin::Result<T> result) {
  if (!result) {
    std::cerr << result.error().to_string() << "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

Turn turn(Role role, std::string author, std::string content) {
  Turn made;
  made.role = role;
  made.author = std::move(author);
  made.content = std::move(content);
  return made;
}

rejoin::node::Receipt say(rejoin::node::Space& space, const Turn& what,
                          const rejoin::agent::Usage& used = {}) {
  return checked(space.transact([&](rejoin::Transaction& transaction) -> rejoin::Status {
    SessionRef session(transaction, "trip-1");
    if (auto ok = session.append(what); !ok) return ok;
    return session.usage().add(used);
  }));
}

void print(const rejoin::node::Space& space) {
  space.read([](const rejoin::Document& document) {
    const SessionView session(document, "trip-1");
    for (const Turn& said : session.turns()) {
      std::cout << said.author << ": " << said.content.value_or("(calls a tool)") << "\n";
    }
    for (const auto& step : session.workflow().steps()) {
      std::cout << "step " << step.name << " is " << to_string(step.status) << "\n";
    }
    const auto used = session.usage().get();
    std::cout << used.calls << " calls, " << used.tokens_in << " tokens in, " << used.tokens_out
              << " out\n";
  });
}

}  // namespace

int main() {
  rejoin::node::NodeOptions options;
  options.log_level = "warn";
  options.spaces = {{"sessions", /*durable=*/false}};
  options.members = {"frankfurt", "virginia"};
  options.name = "frankfurt";
  auto frankfurt = checked(rejoin::node::Node::open(options));
  options.name = "virginia";
  options.peers = {{"frankfurt", frankfurt.listen_endpoint()}};
  auto virginia = checked(rejoin::node::Node::open(options));
  auto here = checked(frankfurt.open_space("sessions", {.durable = false}));
  auto there = checked(virginia.open_space("sessions", {.durable = false}));

  // The user asks in Frankfurt; the agent answers in Virginia, once it sees the question there.
  auto asked = say(here, turn(Role::user, "ada", "Book me a seat to Kassel, please."));
  checked(there.wait_for(asked.token(), 10s));
  auto answered = say(there, turn(Role::assistant, "agent", "Window or aisle?"), {120, 9, 1});
  checked(here.wait_for(answered.token(), 10s));

  // The regions lose each other, and both go on.
  virginia.set_link("frankfurt", false);
  auto chosen = say(here, turn(Role::user, "ada", "Window."));
  auto worked = checked(there.transact([](rejoin::Transaction& transaction) -> rejoin::Status {
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
  virginia.set_link("frankfurt", true);
  checked(here.wait_for(worked.token(), 10s));
  checked(there.wait_for(chosen.token(), 10s));
  print(here);
  const bool agree = here.status().hash == there.status().hash;
  std::cout << (agree ? "both nodes agree" : "the nodes differ") << "\n";
  return agree ? 0 : 1;
}
