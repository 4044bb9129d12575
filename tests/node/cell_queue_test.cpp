// Cells on their way from the thread that reads a store to the one that builds documents of it.
#include "sqlite/cell_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace rejoin::node::sqlite {
namespace {

// More than may be under way at once.
constexpr int cells = 100;
const std::string large(200'000, 'x');

struct Outcome {
  std::vector<std::string> built;
  Status status;
};

Outcome pass(int broken) {
  CellQueue queue;
  Outcome outcome;
  std::thread reading([&] {
    for (int i = 0; i < cells; ++i) (void)queue.add(7, std::to_string(i), large);
    outcome.status = queue.finish();
    queue.close();
  });
  queue.build_all([&](std::int64_t space, std::string_view key, std::string_view bytes) -> Status {
    EXPECT_EQ(space, 7);
    EXPECT_TRUE(bytes == large);
    if (key == std::to_string(broken)) {
      return make_error(ErrorCode::corrupt, "cell " + std::string(key));
    }
    outcome.built.emplace_back(key);
    return {};
  });
  reading.join();
  return outcome;
}

TEST(CellQueue, cells_are_built_in_their_order) {
  std::vector<std::string> all;
  for (int i = 0; i < cells; ++i) all.push_back(std::to_string(i));
  const Outcome outcome = pass(-1);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.built, all);
}

TEST(CellQueue, nothing_is_built_behind_an_error) {
  const Outcome outcome = pass(42);
  ASSERT_FALSE(outcome.status.ok());
  EXPECT_EQ(outcome.status.error().message, "cell 42");
  EXPECT_EQ(outcome.built.size(), 42u);
}

TEST(CellQueue, an_error_ends_the_reading) {
  CellQueue queue;
  int added = 0;
  std::thread reading([&] {
    while (queue.add(1, "key", large).ok()) ++added;
    queue.close();
  });
  queue.build_all([](std::int64_t, std::string_view, std::string_view) -> Status {
    return make_error(ErrorCode::corrupt, "no cell");
  });
  reading.join();
  EXPECT_GT(added, 0);
}

}  // namespace
}  // namespace rejoin::node::sqlite
