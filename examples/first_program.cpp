// Two nodes in one program: a write on one, a read on the other.
#include <rejoin/rejoin.h>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

int main() {
  // Two nodes on loopback. They know each other by name; only one of them needs to dial.
  rejoin::node::NodeOptions options;
  options.log_level = "warn";
  options.spaces = {{"sessions", /*durable=*/false}};
  options.name = "frankfurt";
  options.members = {"frankfurt", "virginia"};
  auto frankfurt = rejoin::node::Node::open(options);
  if (!frankfurt) return std::cerr << frankfurt.error().to_string() << "\n", 1;
  options.name = "virginia";
  options.peers = {{"frankfurt", frankfurt->listen_endpoint()}};
  auto virginia = rejoin::node::Node::open(options);
  if (!virginia) return std::cerr << virginia.error().to_string() << "\n", 1;

  // A transaction: any number of writes that appear everywhere together, or not at all.
  auto here = frankfurt->open_space("sessions", {.durable = false}).value();
  auto receipt = here.transact([](rejoin::Transaction& transaction) -> rejoin::Status {
    auto session = transaction.root().map("sessions").map("s1");
    if (auto ok = session.reg("user").set("ada"); !ok) return ok;
    return session.counter("calls").add(1);
  });
  if (!receipt) return std::cerr << receipt.error().to_string() << "\n", 1;

  // The receipt's token says what was written. The other node waits until it shows that much.
  auto there = virginia->open_space("sessions", {.durable = false}).value();
  if (auto caught_up = there.wait_for(receipt->token(), 10s); !caught_up) {
    return std::cerr << caught_up.error().to_string() << "\n", 1;
  }
  there.read([](const rejoin::Document& document) {
    auto session = document.root().map("sessions").map("s1");
    std::cout << session.reg("user").get()->as_string() << " made "
              << session.counter("calls").value() << " call\n";
  });
}
