#include "core/transfer.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

// How long chunks may queue on the way. What is sent beside them waits about as long.
constexpr std::chrono::microseconds queueing_max = std::chrono::milliseconds(100);
// A window is so many chunks or more: a lost one shows by acknowledgements of those that follow it.
constexpr std::size_t chunks_per_window = 4;
constexpr std::size_t smallest_chunk_bytes = 2048;

}  // namespace

OutgoingTransfer::OutgoingTransfer(std::uint64_t id_in, std::string bytes_in, Clock clock_in,
                                   Position gate_in, std::size_t chunk_bytes,
                                   std::size_t chunk_window, std::chrono::microseconds now)
    : id(id_in),
      bytes(std::move(bytes_in)),
      clock(std::move(clock_in)),
      gate(gate_in),
      chunk_bytes_max_(chunk_bytes),
      chunk_bytes_min_(std::min(chunk_bytes, smallest_chunk_bytes)),
      window_max_(chunk_bytes * chunk_window),
      window_(std::min(window_max_, chunks_per_window * chunk_bytes_min_)),
      progress_at_(now) {}

std::uint64_t OutgoingTransfer::sent_to() const {
  return in_flight_.empty() ? acked_
                            : in_flight_.back().chunk.offset + in_flight_.back().chunk.size;
}

std::optional<ChunkRange> OutgoingTransfer::next(std::uint64_t bytes_max) const {
  if (first_is_lost_) return in_flight_.front().chunk;
  // After a silence one chunk asks whether anybody is there.
  const std::uint64_t window = silences_ > 0 ? 1 : window_;
  const std::uint64_t offset = sent_to();
  if (offset >= bytes.size() || offset >= acked_ + window) return std::nullopt;
  const std::uint64_t size =
      std::clamp(window_ / chunks_per_window, chunk_bytes_min_, chunk_bytes_max_);
  return ChunkRange{offset, std::min({size, std::max<std::uint64_t>(bytes_max, 1),
                                      static_cast<std::uint64_t>(bytes.size()) - offset})};
}

void OutgoingTransfer::sent(const ChunkRange& chunk, std::chrono::microseconds now) {
  if (std::exchange(first_is_lost_, false)) {
    in_flight_.front().again = true;
  } else {
    in_flight_.push_back(InFlight{chunk, now, chunk.offset < ever_sent_to_});
    ever_sent_to_ = std::max(ever_sent_to_, chunk.offset + chunk.size);
  }
  sent_at_ = now;
}

std::optional<std::chrono::microseconds> OutgoingTransfer::acknowledged(
    std::uint64_t received, std::chrono::microseconds now) {
  if (received > bytes.size()) return {};
  std::optional<std::chrono::microseconds> delay;
  if (received > acked_) {
    std::chrono::microseconds first_sent_at{0};
    while (!in_flight_.empty() &&
           in_flight_.front().chunk.offset + in_flight_.front().chunk.size <= received) {
      delay.reset();
      if (!in_flight_.front().again) delay = now - in_flight_.front().at;
      first_sent_at = in_flight_.front().at;
      in_flight_.pop_front();
    }
    if (!in_flight_.empty() && in_flight_.front().chunk.offset < received) {
      ChunkRange& rest = in_flight_.front().chunk;  // it came in other chunks, before a silence
      rest = ChunkRange{received, rest.offset + rest.size - received};
    }
    if (delay) adjust_window(*delay, first_sent_at, received - acked_, now);
    acked_ = received;
    first_is_lost_ = false;
    repeats_ = 0;
    silences_ = 0;
    if (!REJOIN_MUTATED(transfer_must_end_in_time)) progress_at_ = now;
  } else if (received < acked_ && silences_ > 0) {
    // After a silence, and not just an old acknowledgement that was overtaken: the receiver has
    // given the transfer up meanwhile and begins anew.
    acked_ = received;
    in_flight_.clear();
    first_is_lost_ = false;
    silences_ = 0;
  } else if (received == acked_ && ++repeats_ == 3 && !in_flight_.empty()) {
    repeats_ = 0;
    first_is_lost_ = true;
  }
  return delay;
}

void OutgoingTransfer::adjust_window(std::chrono::microseconds delay,
                                     std::chrono::microseconds sent_at, std::uint64_t acked,
                                     std::chrono::microseconds now) {
  delay_min_ = std::min(delay_min_, delay);
  if (delay - delay_min_ <= queueing_max || REJOIN_MUTATED(window_never_shrinks)) {
    window_ = std::min<std::size_t>(window_max_, window_ + acked);  // twice as much a round trip
    return;
  }
  // What was sent before the window shrank says nothing of how large it is now.
  if (sent_at < shrunk_at_) return;
  shrunk_at_ = now;
  const std::uint64_t fits = window_ *
                             static_cast<std::uint64_t>((delay_min_ + queueing_max).count()) /
                             static_cast<std::uint64_t>(delay.count());
  window_ =
      std::max<std::size_t>(fits, std::min(window_max_, chunks_per_window * chunk_bytes_min_));
}

void OutgoingTransfer::rewind() {
  if (!REJOIN_MUTATED(lost_chunk_is_not_sent_again)) in_flight_.clear();
  first_is_lost_ = false;
  repeats_ = 0;
  delay_min_ = std::chrono::microseconds::max();  // it may be another way there now
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
