#include "world/sqlite_vfs.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

namespace rejoin::simulation {

namespace {

constexpr std::size_t sector_bytes = 512;

void put(std::string& to, std::size_t offset, std::string_view bytes) {
  if (to.size() < offset + bytes.size()) to.resize(offset + bytes.size());
  to.replace(offset, bytes.size(), bytes);
}

// SQLite's own generator, which one process has for all runs, gives a write-ahead log its first
// salt; the following ones count up. So whether a turned bit makes the salt of an old frame that of
// the present log would depend on other runs: the other salt is hit instead.
std::size_t away_from_counted_salt(std::string_view path, std::size_t offset) {
  constexpr std::size_t header = 32, frame_header = 24, page = 4096, salts_at = 8, salt = 4;
  if (!path.ends_with("-wal") || offset < header) return offset;
  const std::size_t within = (offset - header) % (frame_header + page);
  return within >= salts_at && within < salts_at + salt ? offset + salt : offset;
}

}  // namespace

struct SqliteVfs::Calls {
  struct OpenFile {
    sqlite3_file base;
    SqliteVfs* disk;
    std::shared_ptr<File>* file;  // owned
    std::string* delete_path;     // owned; of a file that goes when it is closed
  };

  static SqliteVfs& of(sqlite3_vfs* vfs) { return *static_cast<SqliteVfs*>(vfs->pAppData); }
  static OpenFile& opened(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

  // ---- Of the disk ----

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags,
                  int* out_flags) {
    static const sqlite3_io_methods methods = make_methods();
    SqliteVfs& disk = of(vfs);
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
    SqliteVfs& disk = of(vfs);
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
    for (int i = 0; i < size; ++i) out[i] = static_cast<char>(of(vfs).random_.next());
    return size;
  }

  // ---- Of a file ----

  static int close(sqlite3_file* file) {
    OpenFile& f = opened(file);
    if (f.delete_path != nullptr) f.disk->files_.erase(*f.delete_path);
    delete f.delete_path;
    delete f.file;
    return SQLITE_OK;
  }
  static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
    SqliteVfs& disk = *opened(file).disk;
    if (disk.read_errors.ppm != 0 && disk.random_.chance(disk.read_errors)) {
      return SQLITE_IOERR_READ;
    }
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
    const std::string_view bytes(static_cast<const char*>(from), static_cast<std::size_t>(size));
    const auto at = static_cast<std::size_t>(offset);
    std::string& contents = (*f.file)->contents;
    if (f.disk->capacity != 0 && at + bytes.size() > contents.size() &&
        f.disk->used() + (at + bytes.size() - contents.size()) > f.disk->capacity) {
      return SQLITE_FULL;
    }
    put(contents, at, bytes);
    (*f.file)->unsynced.push_back({false, at, std::string(bytes)});
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
    if (!f.disk->lying_) (*f.file)->sync();
    return SQLITE_OK;
  }
  static int file_size(sqlite3_file* file, sqlite3_int64* out) {
    *out = static_cast<sqlite3_int64>((*opened(file).file)->contents.size());
    return SQLITE_OK;
  }

  static sqlite3_io_methods make_methods() {
    sqlite3_io_methods out{};
    out.iVersion = 1;  // no shared memory: the store locks its files for itself
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
    out.xSectorSize = [](sqlite3_file*) { return static_cast<int>(sector_bytes); };
    // As SQLite assumes of disks in general: what a write does not touch stays as it is.
    out.xDeviceCharacteristics = [](sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; };
    return out;
  }
};

SqliteVfs::SqliteVfs(Random random) : random_(random), vfs_(std::make_unique<sqlite3_vfs>()) {
  static std::atomic<std::uint64_t> made{0};  // SQLite finds a VFS by its name
  name_ = "rejoin-simulation-" + std::to_string(++made);
  *vfs_ = {};
  vfs_->iVersion = 2;
  vfs_->szOsFile = sizeof(Calls::OpenFile);
  vfs_->mxPathname = 512;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = Calls::open;
  vfs_->xDelete = Calls::remove;
  vfs_->xAccess = Calls::access;
  vfs_->xFullPathname = Calls::full_path;
  vfs_->xRandomness = Calls::randomness;
  vfs_->xSleep = [](sqlite3_vfs*, int micros) { return micros; };
  vfs_->xCurrentTime = [](sqlite3_vfs*, double* days) {
    *days = 2461000.5;
    return SQLITE_OK;
  };
  vfs_->xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* millis) {
    *millis = sqlite3_int64{2461000} * 86400000;
    return SQLITE_OK;
  };
  vfs_->xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  sqlite3_vfs_register(vfs_.get(), 0);
}

SqliteVfs::~SqliteVfs() { sqlite3_vfs_unregister(vfs_.get()); }

int SqliteVfs::operation(int failure) {
  ++operations;
  if (stop_at != 0 && operations >= stop_at) return failure;
  return operations == fail_at ? failure : SQLITE_OK;
}

void SqliteVfs::File::sync() {
  for (const File::Write& write : unsynced) {
    if (write.truncates) {
      durable.resize(write.offset);
    } else {
      put(durable, write.offset, write.bytes);
    }
  }
  unsynced.clear();
  was_synced = true;
}

void SqliteVfs::lie(bool lying) {
  if (lying_ && !lying) {
    for (auto& [path, file] : files_) file->sync();
  }
  lying_ = lying;
}

bool SqliteVfs::flip_bit(Random& random) {
  std::size_t total = 0;
  for (const auto& [path, file] : files_) total += file->durable.size();
  if (total == 0) return false;
  std::size_t at = random.below(total);
  const auto mask = static_cast<char>(1 << random.below(8));
  for (auto& [path, file] : files_) {
    if (at >= file->durable.size()) {
      at -= file->durable.size();
      continue;
    }
    at = away_from_counted_salt(path, at);
    const auto turn = [&](std::string& bytes, std::size_t offset) {
      if (at < offset || at - offset >= bytes.size()) return;
      char& byte = bytes[at - offset];
      byte = static_cast<char>(byte ^ mask);
    };
    turn(file->durable, 0);
    turn(file->contents, 0);
    for (File::Write& write : file->unsynced) turn(write.bytes, write.offset);
    return true;
  }
  return false;
}

void SqliteVfs::lose_power(UnsyncedWrites policy, Random& random) {
  for (auto at = files_.begin(); at != files_.end();) {
    File& file = *at->second;
    std::string left = file.durable;
    const auto keep = [&](const File::Write& write, bool torn) {
      if (write.truncates) {
        if (!torn || random.coin()) left.resize(write.offset);
        return;
      }
      for (std::size_t begin = 0; begin < write.bytes.size();) {
        const std::size_t sector_end = ((write.offset + begin) / sector_bytes + 1) * sector_bytes;
        const std::size_t end = std::min(write.bytes.size(), sector_end - write.offset);
        if (!torn || random.coin()) {
          put(left, write.offset + begin, std::string_view(write.bytes).substr(begin, end - begin));
        }
        begin = end;
      }
    };
    const std::size_t count = file.unsynced.size();
    const std::size_t first_lost =
        policy == UnsyncedWrites::prefix ? random.below(count + 1) : count;
    for (std::size_t i = 0; i < count; ++i) {
      const File::Write& write = file.unsynced[i];
      switch (policy) {
        case UnsyncedWrites::lost:
          break;
        case UnsyncedWrites::kept:
          keep(write, false);
          break;
        case UnsyncedWrites::prefix:
          if (i < first_lost) keep(write, i + 1 == first_lost);
          break;
        case UnsyncedWrites::alternate:
          if (i % 2 == 0) keep(write, false);
          break;
        case UnsyncedWrites::torn_last:
          keep(write, i + 1 == count);
          break;
        case UnsyncedWrites::drawn:
          if (random.coin()) keep(write, random.coin());
          break;
      }
    }
    const bool exists = file.was_synced || !left.empty();
    file.contents = file.durable = std::move(left);
    file.unsynced.clear();
    file.was_synced = true;
    at = exists ? std::next(at) : files_.erase(at);
  }
}

std::size_t SqliteVfs::used() const {
  std::size_t out = 0;
  for (const auto& [path, file] : files_) out += file->contents.size();
  return out;
}

std::map<std::string, std::string> SqliteVfs::contents() const {
  std::map<std::string, std::string> out;
  for (const auto& [path, file] : files_) out[path] = file->contents;
  return out;
}

SqliteVfs::Snapshot SqliteVfs::snapshot() const {
  Snapshot out;
  for (const auto& [path, file] : files_) out.emplace(path, *file);
  return out;
}

void SqliteVfs::restore(const Snapshot& snapshot) {
  files_.clear();
  for (const auto& [path, file] : snapshot) files_[path] = std::make_shared<File>(file);
}

void SqliteVfs::replace_contents(const std::map<std::string, std::string>& contents) {
  files_.clear();
  for (const auto& [path, bytes] : contents) {
    auto file = std::make_shared<File>();
    file->contents = file->durable = bytes;
    file->was_synced = true;
    files_[path] = std::move(file);
  }
}

}  // namespace rejoin::simulation
