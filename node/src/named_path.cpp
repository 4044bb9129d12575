#include "named_path.h"

#include <utility>

namespace rejoin::node {

Result<NamedPath> NamedPath::parse(std::string_view text) {
  auto as_map = Path::parse(text, Type::map);
  auto as_register = Path::parse(text, Type::reg);
  if (!as_map) return as_map.error();
  if (!as_register) return as_register.error();
  NamedPath named;
  named.text_ = text;
  named.typed_ = *as_map == *as_register;
  named.path_ = *std::move(as_map);
  return named;
}

std::optional<Path> NamedPath::find(const Document& document) const {
  if (path_.is_root()) return path_;
  if (typed_) return document.exists(path_) ? std::optional(path_) : std::nullopt;
  for (std::uint8_t number = 1; is_known_type(number); ++number) {
    const auto type = static_cast<Type>(number);
    if (type == Type::element) continue;
    Path path = path_.parent().child(type, path_.steps().back().key);
    if (document.exists(path)) return path;
  }
  return std::nullopt;
}

bool NamedPath::covers(const Path& path) const {
  if (typed_) return path.starts_with(path_);
  return path.depth() >= path_.depth() && path.starts_with(path_.parent()) &&
         path.steps()[path_.depth() - 1].key == path_.steps().back().key;
}

}  // namespace rejoin::node
