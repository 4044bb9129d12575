// Attachments: what belongs to a session and is kept elsewhere, by its hash.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rejoin/crdt/agent/content_hash.h"
#include "rejoin/crdt/agent/label.h"
#include "rejoin/crdt/types/map.h"

namespace rejoin::agent {

struct Attachment {
  ContentHash hash;
  std::string name = {};        // for people; may be empty
  std::string media_type = {};  // "image/png"; may be empty
  std::int64_t bytes = 0;
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

// A map by hash: the same content is there once, whoever adds it and how often. Its name and media
// type are registers: the later one reads.
//
// Example: A and B both add one picture, as "cat.png" and, a moment later, as "kitten.png". Both
// have one attachment, "kitten.png". A removes it while B adds it again: it is there.
class AttachmentsView {
 public:
  explicit AttachmentsView(MapView map) : map_(map) {}
  std::vector<Attachment> all() const;  // by hash
  std::optional<Attachment> get(const ContentHash& hash) const;

 private:
  MapView map_;
};

class AttachmentsRef : public AttachmentsView {
 public:
  explicit AttachmentsRef(MapRef map) : AttachmentsView(map), map_(map) {}
  // Nothing when it is there with all of this. `invalid_argument` for no hash, a negative size,
  // another size than is known of that hash, or text that is not UTF-8; `limit_exceeded` for a name
  // or media type beyond label_bytes_max. Nothing is written then.
  Status add(const Attachment& attachment);
  Status remove(const ContentHash& hash);  // nothing when it is not there

 private:
  MapRef map_;
};

}  // namespace rejoin::agent
