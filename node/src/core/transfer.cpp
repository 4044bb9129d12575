#include "core/transfer.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

ChunkRange OutgoingTransfer::chunk_at(std::uint64_t offset) const {
  return ChunkRange{offset, std::min<std::uint64_t>(chunk_bytes_, bytes.size() - offset)};
}

std::vector<ChunkRange> OutgoingTransfer::next(std::chrono::microseconds now) {
  std::vector<ChunkRange> chunks;
  // After a silence one chunk asks whether anybody is there.
  const std::uint64_t window = silences_ > 0 ? 1 : window_bytes_;
  while (next_ < bytes.size() && next_ < acked_ + window) {
    chunks.push_back(chunk_at(next_));
    next_ += chunks.back().size;
  }
  if (!chunks.empty()) sent_at_ = now;
  return chunks;
}

std::vector<ChunkRange> OutgoingTransfer::acknowledged(std::uint64_t received,
                                                       std::chrono::microseconds now) {
  if (received > bytes.size()) return {};
  if (received > acked_) {
    acked_ = received;
    next_ = std::max(next_, acked_);
    repeats_ = 0;
    silences_ = 0;
    progress_at_ = now;
  } else if (received < acked_ && silences_ > 0) {
    // After a silence, and not just an old acknowledgement that was overtaken: the receiver has
    // given the transfer up meanwhile and begins anew.
    acked_ = received;
    next_ = received;
    silences_ = 0;
  } else if (received == acked_ && ++repeats_ == 3 && next_ > acked_) {
    repeats_ = 0;
    sent_at_ = now;
    return {chunk_at(acked_)};
  }
  return {};
}

void OutgoingTransfer::rewind() {
  if (!REJOIN_MUTATED(lost_chunk_is_not_sent_again)) next_ = acked_;
  repeats_ = 0;
  ++silences_;
}

void IncomingTransfer::add(std::uint64_t offset, std::string bytes, std::size_t ahead_bytes_max,
                           std::chrono::microseconds now) {
  if (offset + bytes.size() <= data_.size()) return;
  if (offset > data_.size()) {
    if (ahead_bytes_ + bytes.size() > ahead_bytes_max) return;
    const std::size_t size = bytes.size();
    if (ahead_.try_emplace(offset, std::move(bytes)).second) ahead_bytes_ += size;
    return;
  }
  const std::size_t known =
      REJOIN_MUTANT(overlapping_chunk_is_appended_whole, data_.size() - offset, std::size_t{0});
  data_.append(bytes, known, std::string::npos);
  while (!ahead_.empty() && ahead_.begin()->first <= data_.size()) {
    const auto first = ahead_.begin();
    const std::size_t skip = data_.size() - first->first;
    if (skip < first->second.size()) data_.append(first->second, skip, std::string::npos);
    ahead_bytes_ -= first->second.size();
    ahead_.erase(first);
  }
  progress_at_ = now;
}

}  // namespace rejoin::node
