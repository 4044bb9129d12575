#include "rejoin/crdt/agent/attachments.h"

#include "agent/fields.h"

namespace rejoin::agent {
namespace {

std::optional<Attachment> read_attachment(const MapView& map, const ContentHash& hash) {
  const auto bytes = integer_at(map, "bytes");
  if (!bytes || *bytes < 0) return std::nullopt;
  return Attachment{hash, string_at(map, "name").value_or(""),
                    string_at(map, "media_type").value_or(""), *bytes};
}

}  // namespace

std::vector<Attachment> AttachmentsView::all() const {
  std::vector<Attachment> all;
  for (const Child& child : map_.children()) {
    const auto hash = ContentHash::parse(child.name);
    if (child.type != Type::map || !hash) continue;
    if (auto one = read_attachment(map_.map(child.name), *hash)) all.push_back(*std::move(one));
  }
  return all;
}

std::optional<Attachment> AttachmentsView::get(const ContentHash& hash) const {
  return read_attachment(map_.map(hash.to_string()), hash);
}

Status AttachmentsRef::add(const Attachment& attachment) {
  const auto invalid = [&](std::string message) {
    return make_error(ErrorCode::invalid_argument, std::move(message), map_.path().to_string());
  };
  if (attachment.hash.is_nil()) return invalid("an attachment needs the hash of its content");
  if (attachment.bytes < 0) return invalid("an attachment's size is not negative");
  if (auto ok = check_label("an attachment's name", attachment.name); !ok) return ok;
  if (auto ok = check_label("an attachment's media type", attachment.media_type); !ok) return ok;
  const std::optional<Attachment> there = get(attachment.hash);
  if (there == attachment) return {};
  if (there && there->bytes != attachment.bytes) {
    return invalid(attachment.hash.to_string() + " has " + std::to_string(there->bytes) +
                   " bytes, not " + std::to_string(attachment.bytes));
  }
  MapRef map = map_.map(attachment.hash.to_string());
  if (auto ok = map.reg("bytes").set(attachment.bytes); !ok) return ok;
  if (auto ok = map.reg("name").set(attachment.name); !ok) return ok;
  return map.reg("media_type").set(attachment.media_type);
}

Status AttachmentsRef::remove(const ContentHash& hash) {
  return map_.remove(hash.to_string(), Type::map);
}

}  // namespace rejoin::agent
