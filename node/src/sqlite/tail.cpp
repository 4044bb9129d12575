#include "sqlite/tail.h"

#include <xxhash.h>

#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

namespace rejoin::node::sqlite {
namespace {

constexpr std::string_view magic = "RJNACK1\n";
constexpr std::size_t acknowledged_bytes = 40;

void put64(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint64_t get64(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

// The write-ahead log's format: https://www.sqlite.org/fileformat2.html#walformat
constexpr sqlite3_int64 wal_header_bytes = 32;
constexpr sqlite3_int64 frame_header_bytes = 24;

std::uint32_t big_endian(const unsigned char* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

std::uint32_t little_endian(const unsigned char* p) {
  return std::uint32_t{p[3]} << 24 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[1]} << 8 | p[0];
}

struct WalChecksum {
  bool big_endian_words = false;
  std::uint32_t s0 = 0;
  std::uint32_t s1 = 0;

  void add(const unsigned char* data, std::size_t size) {
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      s0 += word(data + i) + s1;
      s1 += word(data + i + 4) + s0;
    }
  }
  bool matches(const unsigned char* stored) const {
    return s0 == big_endian(stored) && s1 == big_endian(stored + 4);
  }

 private:
  std::uint32_t word(const unsigned char* p) const {
    return big_endian_words ? big_endian(p) : little_endian(p);
  }
};

}  // namespace

std::string Acknowledged::encode() const {
  std::string out(magic);
  put64(out, static_cast<std::uint64_t>(commits));
  put64(out, boot);
  put64(out, uncertain ? 1 : 0);
  put64(out, XXH3_64bits(out.data(), out.size()));
  return out;
}

std::optional<Acknowledged> Acknowledged::decode(std::string_view bytes) {
  if (bytes.size() != acknowledged_bytes || !bytes.starts_with(magic)) return std::nullopt;
  if (XXH3_64bits(bytes.data(), acknowledged_bytes - 8) != get64(bytes, acknowledged_bytes - 8)) {
    return std::nullopt;
  }
  Acknowledged out;
  out.commits = static_cast<std::int64_t>(get64(bytes, 8));
  out.boot = get64(bytes, 16);
  out.uncertain = get64(bytes, 24) != 0;
  return out;
}

std::uint64_t boot_hash(const std::string& text) {
  std::string id = text;
  if (id.empty()) {
    char buffer[64];
    if (std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re")) {
      id.assign(buffer, std::fread(buffer, 1, sizeof buffer, file));
      std::fclose(file);
    }
  }
  return id.empty() ? 0 : XXH3_64bits(id.data(), id.size());
}

// ---- AcknowledgedFile ----

struct AcknowledgedFile::Handle {
  const char* name = nullptr;  // in the form that xOpen wants; must outlive the file
  std::vector<char> file;      // sqlite3_file and whatever the VFS keeps after it

  ~Handle() {
    if (auto* f = get(); f != nullptr && f->pMethods != nullptr) f->pMethods->xClose(f);
    sqlite3_free_filename(const_cast<char*>(name));
  }
  sqlite3_file* get() {
    return file.empty() ? nullptr : reinterpret_cast<sqlite3_file*>(file.data());
  }
  int open(sqlite3_vfs* vfs, const std::string& path, int flags) {
    // xOpen wants an absolute name that sqlite3_create_filename made.
    std::vector<char> full(static_cast<std::size_t>(vfs->mxPathname) + 1);
    const int code =
        vfs->xFullPathname(vfs, path.c_str(), static_cast<int>(full.size()), full.data());
    if ((code & 0xFF) != SQLITE_OK) return code;
    name = sqlite3_create_filename(full.data(), "", "", 0, nullptr);
    if (name == nullptr) return SQLITE_NOMEM;
    file.assign(static_cast<std::size_t>(vfs->szOsFile), 0);
    int out_flags = 0;
    // The one kind of file that a VFS keeps and that SQLite names freely.
    return vfs->xOpen(vfs, name, get(), flags | SQLITE_OPEN_SUPER_JOURNAL, &out_flags);
  }
};

AcknowledgedFile::~AcknowledgedFile() = default;

std::optional<Acknowledged> AcknowledgedFile::read(sqlite3_vfs* vfs, const std::string& path) {
  Handle handle;
  if (handle.open(vfs, path, SQLITE_OPEN_READONLY) != SQLITE_OK) return std::nullopt;
  sqlite3_file* file = handle.get();
  sqlite3_int64 size = 0;
  char bytes[acknowledged_bytes];
  if (file->pMethods->xFileSize(file, &size) != SQLITE_OK || size != sizeof bytes ||
      file->pMethods->xRead(file, bytes, sizeof bytes, 0) != SQLITE_OK) {
    return std::nullopt;
  }
  return Acknowledged::decode({bytes, sizeof bytes});
}

Result<std::unique_ptr<AcknowledgedFile>> AcknowledgedFile::open(sqlite3_vfs* vfs,
                                                                 const std::string& path) {
  std::unique_ptr<AcknowledgedFile> out(new AcknowledgedFile);
  out->handle_ = std::make_unique<Handle>();
  out->path_ = path;
  const int code = out->handle_->open(vfs, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (code != SQLITE_OK) {
    return make_error(
        ErrorCode::io,
        std::string("the file cannot be opened for writing: ") + sqlite3_errstr(code & 0xFF), path);
  }
  return out;
}

Status AcknowledgedFile::write(const Acknowledged& acknowledged, bool sync) {
  sqlite3_file* file = handle_->get();
  const std::string bytes = acknowledged.encode();
  int code = file->pMethods->xWrite(file, bytes.data(), static_cast<int>(bytes.size()), 0);
  if (code == SQLITE_OK && sync) code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return {};
  return make_error((code & 0xFF) == SQLITE_FULL ? ErrorCode::disk_full : ErrorCode::io,
                    std::string("the file cannot be written: ") + sqlite3_errstr(code & 0xFF),
                    path_);
}

// ---- The write-ahead log's end ----

namespace {

sqlite3_file* log_of(sqlite3* db) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  return file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

}  // namespace

Result<bool> is_without_log(sqlite3* db) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (file == nullptr || file->pMethods == nullptr) return true;
  // The versions of the format for writers and readers: https://www.sqlite.org/fileformat2.html
  char versions[2];
  const int code = file->pMethods->xRead(file, versions, sizeof versions, 18);
  if (code == SQLITE_IOERR_SHORT_READ) return false;
  if (code != SQLITE_OK) {
    return make_error(ErrorCode::io, std::string("the database's header cannot be read: ") +
                                         sqlite3_errstr(code) + "; check the disk");
  }
  return versions[0] == 1 && versions[1] == 1;
}

Status sync_log(sqlite3* db) {
  sqlite3_file* const file = log_of(db);
  const int code = file == nullptr ? SQLITE_OK : file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return {};
  return make_error(ErrorCode::io, std::string("the write-ahead log cannot be synced: ") +
                                       sqlite3_errstr(code) + "; check the disk");
}

Result<bool> has_torn_end(sqlite3* db) {
  sqlite3_file* const file = log_of(db);
  if (file == nullptr) return false;
  sqlite3_int64 size = 0;
  const auto read = [&](unsigned char* to, sqlite3_int64 count, sqlite3_int64 at) -> Status {
    const int code = file->pMethods->xRead(file, to, static_cast<int>(count), at);
    if (code == SQLITE_OK) return {};
    return make_error(ErrorCode::io,
                      std::string("the write-ahead log cannot be read: ") + sqlite3_errstr(code));
  };
  if (file->pMethods->xFileSize(file, &size) != SQLITE_OK || size == 0) return false;
  if (size < wal_header_bytes) return true;

  unsigned char header[wal_header_bytes];
  if (auto status = read(header, wal_header_bytes, 0); !status.ok()) return status.error();
  const std::uint32_t magic_number = big_endian(header);
  const std::uint32_t page_bytes = big_endian(header + 8);
  WalChecksum checksum{.big_endian_words = (magic_number & 1) != 0};
  checksum.add(header, 24);
  if ((magic_number & ~1u) != 0x377f0682u || page_bytes < 512 || page_bytes > 65536 ||
      !checksum.matches(header + 24)) {
    return true;
  }
  // A frame belongs to this generation of the log when it bears the header's salts; one of them is
  // enough, since a bit of the other may have flipped. What lies beyond the last whole commit and
  // does so was written after it.
  std::vector<unsigned char> frame(static_cast<std::size_t>(frame_header_bytes + page_bytes));
  const auto frame_bytes = static_cast<sqlite3_int64>(frame.size());
  bool chain_holds = true;
  bool beyond_commit = false;
  for (sqlite3_int64 at = wal_header_bytes; at + frame_header_bytes <= size; at += frame_bytes) {
    const bool whole = at + frame_bytes <= size;
    if (auto status = read(frame.data(), whole ? frame_bytes : frame_header_bytes, at);
        !status.ok()) {
      return status.error();
    }
    const bool salt1_matches = std::memcmp(frame.data() + 8, header + 16, 4) == 0;
    const bool salt2_matches = std::memcmp(frame.data() + 12, header + 20, 4) == 0;
    if (chain_holds && whole && salt1_matches && salt2_matches) {
      checksum.add(frame.data(), 8);
      checksum.add(frame.data() + frame_header_bytes, page_bytes);
      if (checksum.matches(frame.data() + 16)) {
        // A commit's last frame tells the size of the database.
        beyond_commit = big_endian(frame.data() + 4) == 0;
        continue;
      }
    }
    chain_holds = false;
    if (salt1_matches || salt2_matches) return true;
  }
  return beyond_commit;
}

}  // namespace rejoin::node::sqlite
