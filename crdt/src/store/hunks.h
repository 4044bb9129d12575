// The edits of one list or text in an open transaction, before they are done.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/sequence_content.h"

namespace rejoin {

// What edits change together, as hunks in order: at one place so many elements of the sequence go,
// and others come. Keystrokes gather here, wherever they fall: what is typed and taken back within
// a transaction was never there, and what is typed within what was typed before becomes one run
// with it. Only what remains is done, by one walk through the sequence.
//
// An edit near the last one costs O(1), others O(hunks), of which there are few: more, or long
// contents to change in the middle, are refused, and the caller does those that wait first.
template <class Buffer>
class Hunks {
 public:
  using Slice = typename SequenceContent<Buffer>::Slice;

  struct Hunk {
    std::size_t base = 0;      // where, as an index into the sequence before all edits
    std::size_t removed = 0;   // elements from there on
    std::size_t inserted = 0;  // elements, before those
    Buffer content;            // theirs
  };

  bool empty() const { return inserted_ == 0 && removed_ == 0; }
  const std::vector<Hunk>& hunks() const { return hunks_; }
  // By how much the sequence becomes longer.
  std::size_t inserted() const { return inserted_; }
  std::size_t removed() const { return removed_; }
  std::size_t content_size() const { return content_size_; }
  void clear() {
    hunks_.clear();
    at_ = 0;
    start_ = 0;
    inserted_ = removed_ = content_size_ = 0;
  }

  // Indexes are those of the sequence with the edits that wait; the bounds must hold. False, and
  // nothing changed, when the edits that wait must be done first.
  bool insert(std::size_t index, std::size_t count, Slice content);
  // The same for one element of one unit, and only where the last insertion ended.
  bool type_on(std::size_t index, typename Buffer::value_type unit) {
    if (hunks_.empty() || index != end()) return false;
    at().content.push_back(std::move(unit));
    ++at().inserted;
    ++inserted_;
    ++content_size_;
    return true;
  }
  bool remove(std::size_t index, std::size_t count);

 private:
  static constexpr std::size_t hunks_max = 64;
  static constexpr std::size_t content_max = 16384;  // of a hunk that is changed before its end

  Hunk& at() { return hunks_[at_]; }
  std::size_t end() { return start_ + at().inserted; }
  // Where the hunk behind the current one begins; the greatest index when there is none.
  std::size_t next_start() {
    if (at_ + 1 == hunks_.size()) return static_cast<std::size_t>(-1);
    return end() + (hunks_[at_ + 1].base - (at().base + at().removed));
  }
  // Where the element `index` of the current one's contents begins.
  std::size_t unit_of(std::size_t index) {
    const Buffer& content = at().content;
    if (content.size() == at().inserted) return index;
    return Content<Buffer>::units(Slice(content.data(), content.size()), index);
  }
  void seek(std::size_t index);
  // Opens a hunk at an index of a kept element, behind the current hunk or before the first.
  void open(std::size_t index);
  void merge_with_next();

  std::vector<Hunk> hunks_;
  // The current one, which is the last that begins at or before the last edit, or the first; and
  // the index at which its insertion begins.
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  std::size_t inserted_ = 0;
  std::size_t removed_ = 0;
  std::size_t content_size_ = 0;
};

template <class Buffer>
void Hunks<Buffer>::seek(std::size_t index) {
  if (hunks_.empty()) return;
  while (index < start_ && at_ > 0) {
    const Hunk& before = hunks_[at_ - 1];
    start_ -= before.inserted + (at().base - (before.base + before.removed));
    --at_;
  }
  for (std::size_t next = next_start(); index >= next; next = next_start()) {
    start_ = next;
    ++at_;
  }
}

template <class Buffer>
void Hunks<Buffer>::open(std::size_t index) {
  if (hunks_.empty()) {
    hunks_.emplace_back().base = index;
    at_ = 0;
  } else if (index < start_) {
    // Before the first.
    const std::size_t base = at().base - (start_ - index);
    hunks_.insert(hunks_.begin(), Hunk{})->base = base;
  } else {
    const std::size_t base = at().base + at().removed + (index - end());
    ++at_;
    hunks_.insert(hunks_.begin() + static_cast<std::ptrdiff_t>(at_), Hunk{})->base = base;
  }
  start_ = index;
}

template <class Buffer>
void Hunks<Buffer>::merge_with_next() {
  const auto next = hunks_.begin() + static_cast<std::ptrdiff_t>(at_ + 1);
  at().content.insert(at().content.end(), next->content.begin(), next->content.end());
  at().inserted += next->inserted;
  at().removed += next->removed;
  hunks_.erase(next);
}

template <class Buffer>
bool Hunks<Buffer>::insert(std::size_t index, std::size_t count, Slice content) {
  if (hunks_.empty() || index != end()) {
    seek(index);
    if (hunks_.empty() || index < start_ || index > end()) {
      if (hunks_.size() == hunks_max) return false;
      open(index);
    } else if (at().content.size() > content_max && index != end()) {
      return false;
    }
  }
  Buffer& into = at().content;
  const std::size_t unit = index == end() ? into.size() : unit_of(index - start_);
  into.insert(into.begin() + static_cast<std::ptrdiff_t>(unit), content.begin(), content.end());
  at().inserted += count;
  inserted_ += count;
  content_size_ += content.size();
  return true;
}

template <class Buffer>
bool Hunks<Buffer>::remove(std::size_t index, std::size_t count) {
  if (hunks_.size() == hunks_max) return false;
  seek(index);
  const auto is_within = [&] { return !hunks_.empty() && index >= start_ && index < end(); };
  if (is_within() && at().content.size() > content_max && index + count < end()) return false;
  while (count > 0) {
    std::size_t n = count;
    if (is_within()) {
      n = std::min(n, end() - index);
      Buffer& content = at().content;
      const std::size_t begin = unit_of(index - start_);
      const std::size_t all = content.size();
      const std::size_t to = index + n == end() ? all : unit_of(index + n - start_);
      content.erase(content.begin() + static_cast<std::ptrdiff_t>(begin),
                    content.begin() + static_cast<std::ptrdiff_t>(to));
      at().inserted -= n;
      inserted_ -= n;
      content_size_ -= to - begin;
    } else {
      const bool before_first = hunks_.empty() || index < start_;
      const std::size_t next = !before_first    ? next_start()
                               : hunks_.empty() ? static_cast<std::size_t>(-1)
                                                : start_;
      const bool reaches_next = n >= next - index;
      if (reaches_next) n = next - index;
      if (!before_first && index == end()) {
        at().removed += n;
        if (reaches_next) merge_with_next();
      } else if (reaches_next) {
        if (!before_first) ++at_;
        at().base -= n;
        at().removed += n;
        start_ = index;
      } else {
        open(index);
        at().removed += n;
      }
      removed_ += n;
    }
    count -= n;
  }
  return true;
}

}  // namespace rejoin
