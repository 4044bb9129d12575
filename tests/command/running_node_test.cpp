// The sub-commands that ask a running node, with real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "node_process.h"
#include "process.h"

namespace rejoin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

TEST(MetricsCommand, prints_what_the_node_counts_and_where_it_is_served) {
  NodeProcess node("a", "[metrics]\nlisten = \"127.0.0.1:0\"\n");
  node.start();
  node.set("/k", 1);
  const Finished metrics = run({"metrics", "--config", node.config()});
  EXPECT_EQ(metrics.exit_code, 0) << metrics.err;
  EXPECT_THAT(metrics.out, AllOf(HasSubstr("\nrejoin_events_committed_total 1\n"),
                                 HasSubstr("\nrejoin_space_writes{space=\"s\"} 1\n")));
  const std::string address = node.call({{"command", "status"}})["metrics"];
  EXPECT_THAT(run({"status", "--socket", node.socket()}).out,
              HasSubstr("http://" + address + "/metrics"));
}

}  // namespace
}  // namespace rejoin
