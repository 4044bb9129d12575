// What `rejoin top` reads from a node, and what lies between two readings.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/crdt/result.h"
#include "rejoin/node/admin_client.h"

namespace rejoin::command::top {

struct Reading {
  nlohmann::json status;
  std::vector<std::string> flaws;       // `rejoin health`
  std::vector<nlohmann::json> members;  // `rejoin members`
  std::chrono::steady_clock::time_point at;
};

Result<Reading> read_node(node::AdminClient& client);

// The last reading, the one before it, and whether the node answers.
class Readings {
 public:
  void take(Reading reading);
  // The node does not answer; what was read last stays.
  void lose(const Error& error) { trouble_ = error.to_string(); }

  const std::optional<Reading>& last() const { return last_; }
  const std::string& trouble() const { return trouble_; }  // empty: it answers
  // How fast a count grows that `count_in` finds in a status; nothing where there are not two
  // readings of one process that tell it.
  template <class CountIn>
  std::optional<double> rate(const CountIn& count_in) const {
    if (!before_ || !last_) return std::nullopt;
    const std::optional<std::int64_t> from = count_in(before_->status);
    const std::optional<std::int64_t> to = count_in(last_->status);
    const double seconds = std::chrono::duration<double>(last_->at - before_->at).count();
    if (!from || !to || seconds <= 0) return std::nullopt;
    return static_cast<double>(*to - *from) / seconds;
  }

 private:
  std::optional<Reading> before_;
  std::optional<Reading> last_;
  std::string trouble_;
};

}  // namespace rejoin::command::top
