#include "world/trace.h"

#include <bit>
#include <cstdio>

namespace rejoin::simulation {

void Trace::line(Duration now, std::string_view text) {
  if (!enabled_) return;
  char time[32];
  const auto micros = static_cast<long long>(now.count());
  std::snprintf(time, sizeof time, "%lld.%06lld ", micros / 1'000'000, micros % 1'000'000);
  buffer_.assign(time);
  buffer_.append(text);
  buffer_.push_back('\n');
  hash_ = hash_bytes(buffer_, hash_.low ^ std::rotl(hash_.high, 1));
  if (out_ != nullptr) out_->write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
}

std::string brief(const StateHash& hash) { return hash.to_string().substr(0, 8); }

}  // namespace rejoin::simulation
