#include "fair_mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "nodes.h"

namespace rejoin::node {
namespace {

TEST(FairSharedMutex, writers_exclude_each_other_and_readers) {
  FairSharedMutex mutex;
  std::int64_t left = 0, right = 0;  // equal whenever nobody writes
  std::atomic<bool> torn = false;
  std::vector<std::thread> threads;
  for (int w = 0; w < 3; ++w) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        std::unique_lock lock(mutex);
        ++left;
        ++right;
      }
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        std::shared_lock lock(mutex);
        if (left != right) torn = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(left, 15000);
  EXPECT_EQ(right, 15000);
  EXPECT_FALSE(torn);
}

TEST(FairSharedMutex, readers_share) {
  FairSharedMutex mutex;
  Signal inside;
  const auto read = [&] {
    std::shared_lock lock(mutex);
    inside.raise();
    EXPECT_TRUE(inside.wait_for(2));  // both are in at once
  };
  std::thread other(read);
  read();
  other.join();
}

// Runs `busy` in threads of its own, over and over, until `wanted` has been done 20 times.
void expect_its_turn(const std::function<void()>& wanted, const std::function<void()>& busy) {
  std::atomic<bool> done = false;
  Signal started;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      started.raise();
      while (!done) busy();
    });
  }
  EXPECT_TRUE(started.wait_for(2));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) wanted();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, patience);
  done = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(FairSharedMutex, a_writer_gets_in_although_readers_never_pause) {
  FairSharedMutex mutex;
  expect_its_turn([&] { std::unique_lock lock(mutex); }, [&] { std::shared_lock lock(mutex); });
}

TEST(FairSharedMutex, a_reader_gets_in_although_writers_never_pause) {
  FairSharedMutex mutex;
  expect_its_turn([&] { std::shared_lock lock(mutex); }, [&] { std::unique_lock lock(mutex); });
}

TEST(FairSharedMutex, a_writer_gets_in_although_writers_never_pause) {
  FairSharedMutex mutex;
  expect_its_turn([&] { std::unique_lock lock(mutex); }, [&] { std::unique_lock lock(mutex); });
}

}  // namespace
}  // namespace rejoin::node
