// Moving an encoded delta in chunks, over messages that may be lost, doubled or reordered.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

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
class OutgoingTransfer {
 public:
  OutgoingTransfer(std::uint64_t id_in, std::string bytes_in, Clock clock_in, Position gate_in,
                   std::size_t chunk_bytes, std::size_t chunk_window, std::chrono::microseconds now)
      : id(id_in),
        bytes(std::move(bytes_in)),
        clock(std::move(clock_in)),
        gate(gate_in),
        chunk_bytes_(chunk_bytes),
        window_bytes_(chunk_bytes * chunk_window),
        progress_at_(now) {}

  const std::uint64_t id;
  const std::string bytes;
  const Clock clock;    // what the receiver has afterwards
  const Position gate;  // nothing is sent before this is durable

  // What the window has room for now.
  std::vector<ChunkRange> next(std::chrono::microseconds now);
  // Takes note of an acknowledgement; what is to be sent again at once.
  std::vector<ChunkRange> acknowledged(std::uint64_t received, std::chrono::microseconds now);
  // Nothing was heard for long: goes back to where the receiver is known to be.
  void rewind();
  // The receiver is back after a silence: what was in flight is lost.
  void resume() { sent_at_ = std::chrono::microseconds::min() / 2; }
  int silences() const { return silences_; }

  bool done() const { return acked_ >= bytes.size(); }
  std::uint64_t acked() const { return acked_; }
  std::chrono::microseconds sent_at() const { return sent_at_; }
  std::chrono::microseconds progress_at() const { return progress_at_; }

 private:
  ChunkRange chunk_at(std::uint64_t offset) const;

  std::size_t chunk_bytes_;
  std::size_t window_bytes_;
  std::uint64_t acked_ = 0;
  std::uint64_t next_ = 0;
  int repeats_ = 0;   // acknowledgements of acked_ in a row
  int silences_ = 0;  // in a row
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
