// What an application does: a node of its own, one write, one read. Linking it needs every library
// that the installed ones stand on.
#include <rejoin/rejoin.h>

#include <iostream>

int main() {
  rejoin::node::NodeOptions options;
  options.name = "consumer";
  options.log_level = "off";
  auto node = rejoin::node::Node::open(options);
  if (!node.ok()) {
    std::cerr << node.error().to_string() << '\n';
    return 1;
  }
  rejoin::node::SpaceOptions in_memory;
  in_memory.durable = false;
  auto space = node->open_space("first", in_memory);
  if (!space.ok()) {
    std::cerr << space.error().to_string() << '\n';
    return 1;
  }
  auto receipt = space->transact(
      [](rejoin::Transaction& transaction) { return transaction.root().counter("runs").add(1); });
  auto json = space->export_json();
  if (!receipt.ok() || !json.ok() || *json != R"({"runs":1})") {
    std::cerr << "the write is not there\n";
    return 1;
  }
  std::cout << *json << '\n';
}
