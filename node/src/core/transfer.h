// Moving an encoded delta in chunks, over messages that may be lost, doubled or reordered.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "core/persist_queue.h"
#include "rejoin/crdt/clock.h"

namespace rejoin::node {

// A part of the transfer to send.
struct ChunkRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// The sending side: a window slides over the bytes. Acknowledgements are cumulative; three alike
// mean that the chunk they wait for was lost (as in TCP's fast retransmit), and silence that all
// were.
//
// The window follows the delay (as in LEDBAT): it grows while chunks are acknowledged hardly later
// than the quickest one was, and shrinks when they begin to queue somewhere, so that whatever else
// is sent waits behind a few chunks at most, on a thin link as well. Chunks are a part of the
// window, for the same reason.
class OutgoingTransfer {
 public:
  OutgoingTransfer(std::uint64_t id_in, std::string bytes_in, Clock clock_in, Position gate_in,
                   std::size_t chunk_bytes, std::size_t chunk_window,
                   std::chrono::microseconds now);

  const std::uint64_t id;
  const std::string bytes;
  const Clock clock;    // what the receiver has afterwards
  const Position gate;  // nothing is sent before this is durable

  // The chunk to send next, of at most `bytes_max`; nothing while the window is full.
  std::optional<ChunkRange> next(std::uint64_t bytes_max) const;
  void sent(const ChunkRange& chunk, std::chrono::microseconds now);
  // Takes note of an acknowledgement. How long it was on its way from sending to here, where it
  // tells.
  std::optional<std::chrono::microseconds> acknowledged(std::uint64_t received,
                                                        std::chrono::microseconds now);
  // Nothing was heard for long: goes back to where the receiver is known to be.
  void rewind();
  // The receiver is back after a silence: what was in flight is lost.
  void resume() { sent_at_ = std::chrono::microseconds::min() / 2; }
  int silences() const { return silences_; }

  bool done() const { return acked_ >= bytes.size(); }
  bool is_in_flight() const { return !in_flight_.empty(); }
  std::chrono::microseconds sent_at() const { return sent_at_; }
  std::chrono::microseconds progress_at() const { return progress_at_; }

 private:
  struct InFlight {
    ChunkRange chunk;
    std::chrono::microseconds at;
    bool again = false;  // sent more than once: its acknowledgement tells no delay
  };

  std::uint64_t sent_to() const;
  void adjust_window(std::chrono::microseconds delay, std::chrono::microseconds sent_at,
                     std::uint64_t acked, std::chrono::microseconds now);

  std::size_t chunk_bytes_max_;
  std::size_t chunk_bytes_min_;
  std::size_t window_max_;
  std::size_t window_;  // bytes in flight
  std::uint64_t acked_ = 0;
  std::uint64_t ever_sent_to_ = 0;
  std::deque<InFlight> in_flight_;  // consecutive, from acked_ on
  bool first_is_lost_ = false;      // of them, and not sent again yet
  int repeats_ = 0;                 // acknowledgements of acked_ in a row
  int silences_ = 0;                // in a row
  std::chrono::microseconds delay_min_ = std::chrono::microseconds::max();
  std::chrono::microseconds shrunk_at_ = std::chrono::microseconds::min();
  std::chrono::microseconds sent_at_{0};
  std::chrono::microseconds progress_at_;
};

// The receiving side: memory in proportion to what came, never to what was announced.
class IncomingTransfer {
 public:
  IncomingTransfer(std::uint64_t id_in, std::uint64_t total_in, std::chrono::microseconds now)
      : id(id_in), total(total_in), progress_at_(now) {}

  const std::uint64_t id;
  const std::uint64_t total;

  // Takes one chunk that lies within `total`; chunks too far ahead of the gap are dropped.
  void add(std::uint64_t offset, std::string bytes, std::size_t ahead_bytes_max,
           std::chrono::microseconds now);
  std::uint64_t received() const { return data_.size(); }
  std::size_t buffered() const { return data_.size() + ahead_bytes_; }
  bool complete() const { return data_.size() == total; }
  std::string take() { return std::move(data_); }
  std::chrono::microseconds progress_at() const { return progress_at_; }

 private:
  std::string data_;  // the first bytes, without a gap
  std::map<std::uint64_t, std::string> ahead_;
  std::size_t ahead_bytes_ = 0;
  std::chrono::microseconds progress_at_;
};

}  // namespace rejoin::node
