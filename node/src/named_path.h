// Paths as people write them: the last step may leave its type out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/path.h"
#include "rejoin/crdt/result.h"

namespace rejoin::node {

// What a path names. Without a type in its last step that is whatever is under the name: of several
// children the one that JSON shows.
class NamedPath {
 public:
  static Result<NamedPath> parse(std::string_view text);

  const std::string& text() const { return text_; }  // as it was written
  bool is_typed() const { return typed_; }           // the root is
  // With the type of the last step where it has one, and a map where it has none.
  const Path& path() const { return path_; }
  // What is there; nothing when nothing is.
  std::optional<Path> find(const Document& document) const;
  // Whether `path` is at or below what this names.
  bool covers(const Path& path) const;

 private:
  std::string text_ = "/";
  Path path_;
  bool typed_ = true;
};

}  // namespace rejoin::node
