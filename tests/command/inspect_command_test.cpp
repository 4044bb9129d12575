// `rejoin inspect`, as a process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "../node/temp_directory.h"
#include "process.h"
#include "rejoin/crdt/transaction.h"
#include "rejoin/node/sqlite_storage.h"

namespace rejoin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class InspectCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Transaction transaction = document_.begin({HybridTime::from_millis(1'000'000), "", ""});
    ASSERT_TRUE(transaction.root().map("people").reg("ada").set("countess").ok());
    ASSERT_TRUE(transaction.root().counter("visits").add(3).ok());
    node::PersistBatch batch;
    batch.spaces.push_back({"app:main", document_.self()});
    batch.log.push_back({"app:main", node::RecordKind::event, transaction.commit()->encoded()});
    ASSERT_TRUE(open()->write(batch).ok());
  }

  std::unique_ptr<node::SqliteStorage> open() {
    node::SqliteOptions options;
    options.directory = directory_.path();
    auto storage = node::SqliteStorage::open(options);
    EXPECT_TRUE(storage.ok()) << storage.error().to_string();
    return *std::move(storage);
  }

  TempDirectory directory_;
  Document document_{ReplicaId::from_words(0xABCD, 7)};
};

TEST_F(InspectCommandTest, shows_spaces_clocks_and_hashes) {
  const Finished shown = run({"inspect", directory_.path()});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("sound"), HasSubstr("space app:main"),
                               HasSubstr(document_.hash().to_string()),
                               HasSubstr(document_.self().to_string() + "  2"),
                               HasSubstr("1970-01-01T00:16:40.000Z")));
}

TEST_F(InspectCommandTest, shows_the_same_as_json) {
  const Finished shown = run({"inspect", directory_.path(), "--json"});
  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  const json store = json::parse(shown.out);
  EXPECT_EQ(store.at("commits"), 1);
  EXPECT_EQ(store.at("certain"), true);
  const json& space = store.at("spaces").at(0);
  EXPECT_EQ(space.at("name"), "app:main");
  EXPECT_EQ(space.at("hash"), document_.hash().to_string());
  EXPECT_EQ(space.at("clock"), (json{{document_.self().to_string(), 2}}));
  EXPECT_EQ(space.at("log_events"), 1);
  EXPECT_EQ(space.at("cells"), 2);
}

TEST_F(InspectCommandTest, exports_a_space_or_a_subtree) {
  const Finished whole = run({"inspect", directory_.path(), "--export", "app:main"});
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_EQ(json::parse(whole.out), (json{{"people", {{"ada", "countess"}}}, {"visits", 3}}));
  const Finished part = run({"inspect", directory_.path(), "--export", "app:main:/people"});
  ASSERT_EQ(part.exit_code, 0) << part.err;
  EXPECT_EQ(json::parse(part.out), (json{{"ada", "countess"}}));
}

TEST_F(InspectCommandTest, names_what_is_there_when_a_space_is_not) {
  const Finished shown = run({"inspect", directory_.path(), "--export", "nope"});
  EXPECT_EQ(shown.exit_code, 1);
  EXPECT_THAT(shown.err, AllOf(HasSubstr("nope"), HasSubstr("app:main")));
}

TEST_F(InspectCommandTest, damaged_store_is_exit_code_1_and_names_the_file) {
  const std::string path = directory_.file("rejoin.db");
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::size_t at = bytes.find("countess");
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at));
  file.put('C');
  file.close();
  const Finished shown = run({"inspect", directory_.path()});
  EXPECT_EQ(shown.exit_code, 1);
  EXPECT_EQ(shown.out, "");
  EXPECT_THAT(shown.err, AllOf(HasSubstr(path), HasSubstr("log row 1")));
}

TEST_F(InspectCommandTest, store_in_use_is_exit_code_1_and_points_to_status) {
  const auto storage = open();
  const Finished shown = run({"inspect", directory_.path()});
  EXPECT_EQ(shown.exit_code, 1);
  EXPECT_THAT(shown.err, HasSubstr("rejoin status"));
}

TEST_F(InspectCommandTest, directory_without_a_store_is_exit_code_1) {
  const Finished shown = run({"inspect", directory_.file("none")});
  EXPECT_EQ(shown.exit_code, 1);
  EXPECT_THAT(shown.err, HasSubstr("there is no store"));
}

TEST_F(InspectCommandTest, wrong_usage_is_exit_code_2) {
  EXPECT_EQ(run({"inspect"}).exit_code, 2);
  EXPECT_EQ(run({"inspect", directory_.path(), "--export", "s", "--json"}).exit_code, 2);
  const Finished bad_path = run({"inspect", directory_.path(), "--export", "s:/nonsense:x"});
  EXPECT_EQ(bad_path.exit_code, 2);
  EXPECT_THAT(bad_path.err, HasSubstr("nonsense"));
}

}  // namespace
}  // namespace rejoin
