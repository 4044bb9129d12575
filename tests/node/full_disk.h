// A disk that can be full: SQLite's default VFS, but for writes while `full` is set.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

namespace rejoin {

// While one exists, files that SQLite opens in this process are written through it.
class FullDisk {
 public:
  FullDisk() {
    real() = sqlite3_vfs_find(nullptr);
    vfs_ = *real();
    vfs_.zName = "disk-that-can-be-full";
    vfs_.pNext = nullptr;
    vfs_.xOpen = open;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FullDisk() {
    full() = false;
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real(), 1);
  }
  void set_full(bool is_full) { full() = is_full; }

 private:
  // The methods of one kind of file, with ours in the place of xWrite. First, so that a file's
  // pointer to its methods is a pointer to this.
  struct Methods {
    sqlite3_io_methods ours;
    const sqlite3_io_methods* real;
  };

  static sqlite3_vfs*& real() {
    static sqlite3_vfs* vfs = nullptr;
    return vfs;
  }
  static std::atomic<bool>& full() {
    static std::atomic<bool> is_full{false};
    return is_full;
  }

  static int open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out) {
    const int outcome = real()->xOpen(real(), name, file, flags, out);
    if (outcome != SQLITE_OK || file->pMethods == nullptr) return outcome;
    static std::mutex mutex;
    static std::map<const sqlite3_io_methods*, std::unique_ptr<Methods>> known;
    std::lock_guard guard(mutex);
    auto& methods = known[file->pMethods];
    if (!methods) {
      methods = std::make_unique<Methods>(Methods{*file->pMethods, file->pMethods});
      methods->ours.xWrite = write;
    }
    file->pMethods = &methods->ours;
    return outcome;
  }

  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 at) {
    if (full()) return SQLITE_FULL;
    return reinterpret_cast<const Methods*>(file->pMethods)->real->xWrite(file, bytes, count, at);
  }

  sqlite3_vfs vfs_;
};

}  // namespace rejoin
