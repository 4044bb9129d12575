// Two nodes in one program that share a space, for the examples of agents' state.
#pragma once

#include <rejoin/rejoin.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

// Ends the program where something went wrong; a service would look at error().code.
template <class T>
T checked(rejoin::Result<T> result) {
  if (!result) {
    std::cerr << result.error().to_string() << "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class TwoRegions {
  using Node = rejoin::node::Node;
  using Space = rejoin::node::Space;

  static Node open(const std::string& name, std::map<std::string, std::string> peers) {
    rejoin::node::NodeOptions options;
    options.log_level = "warn";
    options.spaces = {{"agents", /*durable=*/false}};
    options.members = {"frankfurt", "virginia"};
    options.name = name;
    options.peers = std::move(peers);
    return checked(Node::open(options));
  }
  Node frankfurt_ = open("frankfurt", {});
  Node virginia_ = open("virginia", {{"frankfurt", frankfurt_.listen_endpoint()}});

 public:
  Space frankfurt = checked(frankfurt_.open_space("agents", {.durable = false}));
  Space virginia = checked(virginia_.open_space("agents", {.durable = false}));

  void part() { virginia_.set_link("frankfurt", false); }
  // Links the two again, and waits until each shows what the other has.
  void meet() {
    virginia_.set_link("frankfurt", true);
    checked(virginia.wait_for(frankfurt.token(), std::chrono::seconds(10)));
    checked(frankfurt.wait_for(virginia.token(), std::chrono::seconds(10)));
  }
  bool agree() const { return frankfurt.status().hash == virginia.status().hash; }
};
