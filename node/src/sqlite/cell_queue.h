// Cells of a store on their way into documents, from a thread that reads to one that builds.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "rejoin/crdt/result.h"

namespace rejoin::node::sqlite {

// A few megabytes at most are under way.
class CellQueue {
 public:
  using Build =
      std::function<Status(std::int64_t space, std::string_view key, std::string_view bytes)>;

  // ---- The thread that reads ----
  // Gives the error of an earlier cell, where one is known by now.
  Status add(std::int64_t space, std::string_view key, std::string_view bytes);
  // Waits until all are built; gives the error of the first that could not be.
  Status finish();
  // After finish(), or when there is nothing to build any more.
  void close();

  // ---- The thread that builds ----
  // Until it is closed.
  void build_all(const Build& build);

 private:
  struct Cell {
    std::int64_t space;
    std::size_t key_size;
    std::size_t size;
  };
  struct Batch {
    std::vector<Cell> cells;
    std::string contents;  // key, bytes, key, bytes, ...
  };
  void hand_over(std::unique_lock<std::mutex>& lock);
  static Status build_batch(const Batch& batch, const Build& build);

  Batch next_;  // of the thread that reads
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  bool building_ = false;
  bool closed_ = false;
  Status outcome_;
};

}  // namespace rejoin::node::sqlite
