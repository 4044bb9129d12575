// A budget of bytes a second.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace rejoin::node {

// A token bucket that holds a tenth of a second's budget and is filled with the other nine tenths
// in a second: so no second brings more than the budget, wherever it begins. What cannot wait is
// spent all the same, and what can then waits longer, though hardly longer than a second.
class Pace {
 public:
  Pace() : Pace(0) {}
  explicit Pace(std::uint64_t bytes_per_second)  // 0: without bound
      : budget_(static_cast<std::int64_t>(bytes_per_second)), level_(burst_level()) {}

  bool is_bounded() const { return budget_ > 0; }
  // The most that may leave at one time.
  std::uint64_t burst() const { return static_cast<std::uint64_t>((budget_ + 9) / 10); }

  // How long `bytes` have to wait; what is more than a burst waits for a full bucket.
  std::chrono::microseconds wait(std::uint64_t bytes, std::chrono::microseconds now) {
    if (!is_bounded()) return {};
    fill(now);
    const std::int64_t missing = level_of(std::min(bytes, burst())) - level_;
    if (missing <= 0) return {};
    return std::chrono::microseconds((missing + rate() - 1) / rate());
  }

  void spend(std::uint64_t bytes, std::chrono::microseconds now) {
    if (!is_bounded()) return;
    fill(now);
    level_ = std::max(level_ - level_of(bytes), -level_of(static_cast<std::uint64_t>(budget_)));
  }

 private:
  // In millionths of a byte: a microsecond brings `rate` of them.
  static std::int64_t level_of(std::uint64_t bytes) {
    return static_cast<std::int64_t>(bytes) * 1'000'000;
  }
  std::int64_t burst_level() const { return level_of(burst()); }
  std::int64_t rate() const { return budget_ - static_cast<std::int64_t>(burst()); }

  void fill(std::chrono::microseconds now) {
    const std::int64_t passed = std::max<std::int64_t>((now - filled_at_).count(), 0);
    filled_at_ = std::max(filled_at_, now);
    if (passed >= (burst_level() - level_) / rate() + 1) {
      level_ = burst_level();
    } else {
      level_ += passed * rate();
    }
  }

  std::int64_t budget_;
  std::int64_t level_;
  std::chrono::microseconds filled_at_{0};
};

}  // namespace rejoin::node
