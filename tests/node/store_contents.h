// What a store holds, as a value; the batches of random workloads; whole files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "sqlite/store.h"
#include "temp_directory.h"

namespace rejoin::node {

struct SpaceContents {
  ReplicaId replica;
  HybridTime last_time;
  std::optional<StateHash> hash;
  std::string header;
  std::map<std::string, std::string> cells;
  std::vector<std::pair<RecordKind, std::string>> log;
  friend bool operator==(const SpaceContents&, const SpaceContents&) = default;
};
using Contents = std::map<std::string, SpaceContents>;

inline std::ostream& operator<<(std::ostream& out, const SpaceContents& space) {
  return out << "{replica " << space.replica.short_name() << ", header " << space.header.size()
             << " bytes, " << space.cells.size() << " cells, " << space.log.size() << " records}";
}

// What a batch means: the specification that a storage is compared with.
inline void play(Contents& contents, const PersistBatch& batch) {
  for (const auto& record : batch.spaces) {
    SpaceContents& space = contents[record.space];
    space.replica = record.replica;
    space.last_time = std::max(space.last_time, record.last_time);
  }
  for (const auto& record : batch.log) {
    contents.at(record.space).log.emplace_back(record.kind, record.bytes);
  }
  for (const auto& checkpoint : batch.checkpoints) {
    SpaceContents& space = contents.at(checkpoint.space);
    space.last_time = checkpoint.last_time;
    space.hash = checkpoint.hash;
    space.header = checkpoint.header;
    for (const auto& cell : checkpoint.dirty_cells) {
      if (cell.bytes.empty()) {
        space.cells.erase(cell.key);
      } else {
        space.cells[cell.key] = cell.bytes;
      }
    }
    space.log.clear();
  }
}

// Collects what a scan hands out.
class ContentsVisitor : public sqlite::ScanVisitor {
 public:
  Contents contents;

  Status space(const sqlite::SpaceRow& row) override {
    names_[row.id] = row.name;
    SpaceContents& out = contents[row.name];
    out.replica = row.replica;
    out.last_time = row.last_time;
    out.hash = row.state_hash;
    out.header = row.header;
    return {};
  }
  Status cell(std::int64_t space, std::string_view key, std::string_view bytes) override {
    contents[names_.at(space)].cells.emplace(key, bytes);
    return {};
  }
  Status record(std::int64_t space, RecordKind kind, std::string_view bytes) override {
    contents[names_.at(space)].log.emplace_back(kind, bytes);
    return {};
  }

 private:
  std::map<std::int64_t, std::string> names_;
};

inline Result<Contents> contents_of(sqlite::Store& store) {
  ContentsVisitor visitor;
  if (auto status = store.load(visitor); !status.ok()) return std::move(status).error();
  return std::move(visitor.contents);
}

// Opens the store, reads all of it, closes it.
inline Result<Contents> contents_of(SqliteOptions options) {
  auto store = sqlite::Store::open(std::move(options));
  if (!store.ok()) return std::move(store).error();
  return contents_of(**store);
}

// An endless sequence of batches, the same for the same seed: new spaces, new replica ids, group
// commits of a few spaces, checkpoints that write and delete cells. Mostly small, some large.
class Workload {
 public:
  explicit Workload(std::uint64_t seed, std::size_t spaces_max = 4)
      : random_(seed), spaces_max_(spaces_max) {}

  PersistBatch next() {
    PersistBatch batch;
    batch.ticket = ++ticket_;
    if (spaces_.empty() || (spaces_.size() < spaces_max_ && below(8) == 0)) {
      spaces_.push_back("space-" + std::to_string(spaces_.size()));
      batch.spaces.push_back({spaces_.back(), ReplicaId::from_words(random_(), random_())});
    } else if (below(20) == 0) {
      batch.spaces.push_back(
          {any_space(), ReplicaId::from_words(random_(), random_()), HybridTime{random_()}});
    }
    for (std::uint64_t count = below(12); count > 0; --count) {
      const auto kind = below(5) == 0 ? RecordKind::delta : RecordKind::event;
      batch.log.push_back({any_space(), kind, bytes(below(15) == 0 ? 20000 : 200)});
    }
    if (below(4) == 0) batch.checkpoints.push_back(checkpoint(any_space()));
    if (below(12) == 0) batch.checkpoints.push_back(checkpoint(any_space()));
    return batch;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  const std::string& any_space() { return spaces_[below(spaces_.size())]; }
  std::string bytes(std::uint64_t size_max) {
    std::string out(below(size_max + 1), '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }
  CheckpointRecord checkpoint(const std::string& space) {
    CheckpointRecord out;
    out.space = space;
    out.header = "header " + bytes(300);
    out.last_time = HybridTime{random_()};
    if (below(2) == 0) out.hash = StateHash{random_(), random_()};
    for (std::uint64_t count = below(40); count > 0; --count) {
      const std::string key = "key " + std::to_string(below(60));
      if (below(4) == 0) {
        out.dirty_cells.push_back({key, ""});
      } else {
        out.dirty_cells.push_back({key, "cell " + bytes(below(20) == 0 ? 9000 : 100)});
      }
    }
    return out;
  }

  std::mt19937_64 random_;
  std::size_t spaces_max_;
  std::uint64_t ticket_ = 0;
  std::vector<std::string> spaces_;
};

inline std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_whole(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Every file of a directory, by name.
inline std::map<std::string, std::string> files_of(const std::string& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_regular_file()) out[entry.path().filename()] = read_whole(entry.path());
  }
  return out;
}

}  // namespace rejoin::node
