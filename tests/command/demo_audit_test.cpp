// The demo's last look at the nodes' files: three stores that hold the same events, and what is
// found when one of them was changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <optional>

#include "../node/nodes.h"
#include "../node/temp_directory.h"
#include "demo/audit.h"
#include "demo/cluster.h"

namespace rejoin::demo {
namespace {

using node::must;
using node::Node;
using node::Space;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DemoAudit : public testing::Test {
 protected:
  // The first node writes; the others are copies of its folder, as if they had learnt all of it.
  void SetUp() override {
    for (std::size_t i = 0; i < region_count; ++i) stores_[i] = directory_.file(std::to_string(i));
    write(stores_[0], 40);
    for (std::size_t i = 1; i < region_count; ++i) {
      std::filesystem::copy(stores_[0], stores_[i]);
    }
  }

  static void write(const std::string& directory, int turns, const std::string& name = space_name) {
    Node node = must(Node::open(node::quick_options("a", directory)));
    Space space = must(node.open_space(name, {.durable = true, .history = true}));
    std::optional<node::Receipt> last;
    for (int i = 0; i < turns; ++i) {
      last = must(space.transact([&](Transaction& t) { return t.root().reg("n").set(i); }));
    }
    must(last->wait_durable(node::patience));
  }

  TempDirectory directory_;
  std::array<std::string, region_count> stores_;
};

TEST_F(DemoAudit, equal_histories_hold) {
  const Audit audit = must(audit_histories(stores_));
  EXPECT_EQ(audit.chains, 1u);
  EXPECT_THAT(audit.found, IsEmpty());
}

TEST_F(DemoAudit, a_history_with_other_events_is_found) {
  write(stores_[tokyo], 1);
  EXPECT_THAT(
      must(audit_histories(stores_)).found,
      ElementsAre(HasSubstr("tokyo: history: its chains do not end as those of frankfurt")));
}

TEST_F(DemoAudit, a_changed_link_is_found) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((stores_[virginia] + "/history.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "UPDATE spans SET link = zeroblob(32)", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  const Audit audit = must(audit_histories(stores_));
  ASSERT_FALSE(audit.found.empty());
  EXPECT_THAT(audit.found.front(), HasSubstr("virginia: history: "));
}

TEST_F(DemoAudit, a_node_without_a_history_is_found) {
  std::filesystem::remove_all(stores_[tokyo]);
  EXPECT_EQ(audit_histories(stores_).error().code, ErrorCode::not_found);
  write(stores_[tokyo], 1, "another");
  EXPECT_THAT(must(audit_histories(stores_)).found,
              ElementsAre("tokyo: there is no history of the space"));
}

}  // namespace
}  // namespace rejoin::demo
