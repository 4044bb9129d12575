// A disk in memory under SQLite, which can do what real ones do: lose what was not synced, tear
// writes, fill up, fail. Fast, because its syncs cost nothing. One thread.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace rejoin::node {

class MemoryDisk {
 public:
  explicit MemoryDisk(std::string name) : name_(std::move(name)) {
    vfs_.iVersion = 2;
    vfs_.szOsFile = sizeof(OpenFile);
    vfs_.mxPathname = 512;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    vfs_.xAccess = access;
    vfs_.xFullPathname = full_path;
    vfs_.xRandomness = randomness;
    vfs_.xSleep = [](sqlite3_vfs*, int micros) { return micros; };
    vfs_.xCurrentTime = [](sqlite3_vfs*, double* days) {
      *days = 2461000.5;
      return SQLITE_OK;
    };
    vfs_.xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* millis) {
      *millis = sqlite3_int64{2461000} * 86400000;
      return SQLITE_OK;
    };
    vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~MemoryDisk() { sqlite3_vfs_unregister(&vfs_); }
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;

  const std::string& vfs() const { return name_; }

  // ---- Faults ----
  // Counts writes, truncations, deletions and syncs. From number `stop_at` on, all of them fail:
  // the power is gone, and whoever goes on does so in vain. 0: never.
  std::uint64_t operations = 0;
  std::uint64_t stop_at = 0;
  // Just this one fails with an input/output error. 0: none.
  std::uint64_t fail_at = 0;
  // Writes that would make the files together larger find the disk full. 0: it never is.
  std::size_t capacity = 0;

  // What a power loss leaves: of the writes since a file's last sync, sector by sector, some.
  void lose_power(std::mt19937_64& random) {
    for (auto at = files_.begin(); at != files_.end();) {
      File& file = *at->second;
      std::string left = file.durable;
      for (const Unsynced& write : file.unsynced) {
        if (write.truncates) {
          if (random() % 2 == 0) left.resize(write.offset);
          continue;
        }
        for (std::size_t begin = 0; begin < write.bytes.size();) {
          const std::size_t sector_end = (write.offset + begin) / sector * sector + sector;
          const std::size_t end = std::min(write.bytes.size(), sector_end - write.offset);
          if (random() % 2 == 0)
            put(left, write.offset + begin, write.bytes.substr(begin, end - begin));
          begin = end;
        }
      }
      const bool exists = file.was_synced || !left.empty();
      file.contents = file.durable = left;
      file.unsynced.clear();
      at = exists ? std::next(at) : files_.erase(at);
    }
  }

  // ---- The files, for tests to look at and to damage ----
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> out;
    for (const auto& [path, file] : files_) out[path] = file->contents;
    return out;
  }
  void replace_contents(const std::map<std::string, std::string>& contents) {
    files_.clear();
    for (const auto& [path, bytes] : contents) {
      auto file = std::make_shared<File>();
      file->contents = file->durable = bytes;
      file->was_synced = true;
      files_[path] = std::move(file);
    }
  }

 private:
  static constexpr std::size_t sector = 512;

  struct Unsynced {
    bool truncates = false;
    std::size_t offset = 0;
    std::string bytes;
  };
  struct File {
    std::string contents;
    std::string durable;
    std::vector<Unsynced> unsynced;
    bool was_synced = false;
  };
  struct OpenFile {
    sqlite3_file base;
    MemoryDisk* disk;
    std::shared_ptr<File>* file;  // owned
    std::string* delete_path;     // owned; of a file that goes when it is closed
  };

  static MemoryDisk& of(sqlite3_vfs* vfs) { return *static_cast<MemoryDisk*>(vfs->pAppData); }
  static OpenFile& opened(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

  static void put(std::string& to, std::size_t offset, const std::string& bytes) {
    if (to.size() < offset + bytes.size()) to.resize(offset + bytes.size());
    to.replace(offset, bytes.size(), bytes);
  }

  int operation(int failure) {
    ++operations;
    if (stop_at != 0 && operations >= stop_at) return failure;
    return operations == fail_at ? failure : SQLITE_OK;
  }
  std::size_t used() const {
    std::size_t out = 0;
    for (const auto& [path, file] : files_) out += file->contents.size();
    return out;
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags,
                  int* out_flags) {
    static const sqlite3_io_methods methods = make_methods();
    MemoryDisk& disk = of(vfs);
    OpenFile& file = opened(out);
    file.base.pMethods = nullptr;
    const std::string name = path != nullptr ? path : "temporary";
    auto at = disk.files_.find(name);
    if (at == disk.files_.end()) {
      if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
      at = disk.files_.emplace(name, std::make_shared<File>()).first;
    }
    file.disk = &disk;
    file.file = new std::shared_ptr<File>(at->second);
    file.delete_path = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0 ? new std::string(name) : nullptr;
    file.base.pMethods = &methods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
  }
  static int remove(sqlite3_vfs* vfs, const char* path, int) {
    MemoryDisk& disk = of(vfs);
    if (const int code = disk.operation(SQLITE_IOERR_DELETE); code != SQLITE_OK) return code;
    return disk.files_.erase(path) > 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
  }
  static int access(sqlite3_vfs* vfs, const char* path, int, int* out) {
    const auto& files = of(vfs).files_;
    const auto at = files.find(path);
    *out = at != files.end() && !at->second->contents.empty();
    return SQLITE_OK;
  }
  static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
    if (std::strlen(path) >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::strcpy(out, path);
    return SQLITE_OK;
  }
  static int randomness(sqlite3_vfs* vfs, int size, char* out) {
    for (int i = 0; i < size; ++i) out[i] = static_cast<char>(of(vfs).random_());
    return size;
  }

  static int close(sqlite3_file* file) {
    OpenFile& f = opened(file);
    if (f.delete_path != nullptr) f.disk->files_.erase(*f.delete_path);
    delete f.delete_path;
    delete f.file;
    return SQLITE_OK;
  }
  static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
    const std::string& contents = (*opened(file).file)->contents;
    const auto begin = static_cast<std::size_t>(offset);
    const auto wanted = static_cast<std::size_t>(size);
    const std::size_t there =
        begin < contents.size() ? std::min(wanted, contents.size() - begin) : 0;
    std::memcpy(to, contents.data() + (there > 0 ? begin : 0), there);
    std::memset(static_cast<char*>(to) + there, 0, wanted - there);
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    OpenFile& f = opened(file);
    if (const int code = f.disk->operation(SQLITE_IOERR_WRITE); code != SQLITE_OK) return code;
    const std::string bytes(static_cast<const char*>(from), static_cast<std::size_t>(size));
    const auto at = static_cast<std::size_t>(offset);
    std::string& contents = (*f.file)->contents;
    if (f.disk->capacity != 0 && at + bytes.size() > contents.size() &&
        f.disk->used() + (at + bytes.size() - contents.size()) > f.disk->capacity) {
      return SQLITE_FULL;
    }
    put(contents, at, bytes);
    (*f.file)->unsynced.push_back({false, at, bytes});
    return SQLITE_OK;
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    OpenFile& f = opened(file);
    if (const int code = f.disk->operation(SQLITE_IOERR_TRUNCATE); code != SQLITE_OK) return code;
    (*f.file)->contents.resize(static_cast<std::size_t>(size));
    (*f.file)->unsynced.push_back({true, static_cast<std::size_t>(size), {}});
    return SQLITE_OK;
  }
  static int sync(sqlite3_file* file, int) {
    OpenFile& f = opened(file);
    if (const int code = f.disk->operation(SQLITE_IOERR_FSYNC); code != SQLITE_OK) return code;
    (*f.file)->durable = (*f.file)->contents;
    (*f.file)->unsynced.clear();
    (*f.file)->was_synced = true;
    return SQLITE_OK;
  }
  static int file_size(sqlite3_file* file, sqlite3_int64* out) {
    *out = static_cast<sqlite3_int64>((*opened(file).file)->contents.size());
    return SQLITE_OK;
  }

  static sqlite3_io_methods make_methods() {
    sqlite3_io_methods out{};
    out.iVersion = 1;
    out.xClose = close;
    out.xRead = read;
    out.xWrite = write;
    out.xTruncate = truncate;
    out.xSync = sync;
    out.xFileSize = file_size;
    out.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
    out.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
    out.xCheckReservedLock = [](sqlite3_file*, int* held) {
      *held = 0;
      return SQLITE_OK;
    };
    out.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
    out.xSectorSize = [](sqlite3_file*) { return static_cast<int>(sector); };
    out.xDeviceCharacteristics = [](sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; };
    return out;
  }

  std::string name_;
  sqlite3_vfs vfs_{};
  std::map<std::string, std::shared_ptr<File>> files_;
  std::mt19937_64 random_{1};
};

}  // namespace rejoin::node
